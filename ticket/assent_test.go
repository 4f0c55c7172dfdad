package ticket

import "testing"

func TestReadAssent(t *testing.T) {
	for text, want := range map[string]Assent{
		"sí": AssentYes, "Si.": AssentYes, " /SI": AssentYes, ".si": AssentYes, "¡Sí, fui yo!": AssentYes, "Yes, this was me.": AssentYes, "\n\nsí\nAna": AssentYes,
		"/sí siempre": AssentAlways, "Yes, always": AssentAlways, "/siempre": AssentAlways,
		"No": AssentNo, "/no": AssentNo, "No, it wasn't me": AssentNo,
		"": "", "Sí, pero dígale que espere": "", "No sé": "", "Si no le abre, reinicie": "", "yes and no": "", "/cerrar": "", "síi": "", "sí sí": "",
	} {
		got, _ := ReadAssent(text)
		if got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
	if _, rest := ReadAssent("Sí\n\nY avísele.\n"); rest != "Y avísele." {
		t.Errorf("the rest is %q", rest)
	}
	if _, rest := ReadAssent("Mañana."); rest != "Mañana." {
		t.Errorf("of no answer the rest is %q", rest)
	}
}
