package mailpipe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buzon/ticket"

	"github.com/google/go-cmp/cmp"
)

// specimen is a message of testdata/bounce or testdata/verdict with the reading
// that is expected. Above each message stand lines that begin with "%%": its
// name; its kind, and the Message-ID of the returned message; a line for each
// recipient with address, action, status, reason and the SMTP code that its
// diagnostic shows ("-": none; "*" in place of a line's address: any).
type specimen struct {
	name, kind string
	original   string
	recipients []string
	raw        []byte
}

func specimens(tb testing.TB, pattern string) []specimen {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		tb.Fatalf("no specimens in %s: %v", pattern, err)
	}
	var list []specimen
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		heading := false
		for _, line := range strings.SplitAfter(string(text), "\n") {
			said, isHead := strings.CutPrefix(line, "%% ")
			said = strings.TrimSpace(said)
			switch {
			case isHead && !heading:
				list = append(list, specimen{name: said})
			case isHead && list[len(list)-1].kind == "":
				kind, original, _ := strings.Cut(said, " ")
				list[len(list)-1].kind, list[len(list)-1].original = kind, strings.Trim(original, "<>")
			case isHead:
				list[len(list)-1].recipients = append(list[len(list)-1].recipients, said)
			default:
				list[len(list)-1].raw = append(list[len(list)-1].raw, line...)
			}
			heading = isHead
		}
	}
	return list
}

func TestBounces(t *testing.T) {
	for _, s := range specimens(t, "testdata/bounce/*.txt") {
		t.Run(s.name, func(t *testing.T) {
			m := Understand(s.raw, Options{})
			if string(m.Kind) != s.kind {
				t.Fatalf("kind %s (%s), want %s", m.Kind, m.KindReason, s.kind)
			}
			if s.kind != string(ticket.KindBounce) {
				return
			}
			if m.AutoReplyAllowed {
				t.Error("it may be answered")
			}
			if s.original != "" && m.Bounce.OriginalMessageID != s.original {
				t.Errorf("original %q, want %q", m.Bounce.OriginalMessageID, s.original)
			}
			var got []string
			for i, r := range m.Bounce.Recipients {
				code := replyCode(r.Diagnostic)
				if code == "" {
					code = "-"
				}
				address := r.Address
				if i < len(s.recipients) && strings.HasPrefix(s.recipients[i], "* ") {
					address = "*"
				}
				got = append(got, fmt.Sprintf("%s %s %s %s %s", address, r.Action, r.Status, r.Reason, code))
			}
			if diff := cmp.Diff(s.recipients, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%q", diff, m.Bounce.Recipients)
			}
		})
	}
}

// TestBounceSubjects: a delivery system's few words suffice, in the languages of
// the servers that write to a desk; under the same subjects people ask.
func TestBounceSubjects(t *testing.T) {
	for _, subject := range []string{
		"Mensaje devuelto: hola", "Error en el envío", "Su mensaje no pudo ser entregado", "Aviso de no entrega", "Fallo al entregar el correo", "Problemas en la entrega del mensaje", "Correo rechazado",
		"Imposible entregar el mensaje", "Dirección de correo inexistente", "Buzón lleno", "Devolución de correo", "Address not found", "Your message couldn't be delivered", "Remise impossible : hola",
		"Não é possível entregar: hola", "Onbestelbaar: hola", "Olevererbart: hola", "Toimitus epäonnistui", "Niedostarczona wiadomość", "Nedoručitelné", "Сообщение не доставлено", "退信通知", "配信不能",
	} {
		body := "\nContent-Type: text/plain; charset=utf-8\n\nana@escuela.example\n"
		for _, from := range []string{"postmaster@correo.example", "Mail Delivery System <noreply@correo.example>"} {
			m := Understand([]byte("From: "+from+"\nTo: soporte@campus.example\nSubject: "+subject+body), Options{})
			if m.Kind != ticket.KindBounce || len(m.Bounce.Recipients) != 1 || m.Bounce.Recipients[0].Address != "ana@escuela.example" {
				t.Errorf("%q from %s: %s, %+v", subject, from, m.Kind, m.Bounce)
			}
		}
		for _, from := range []string{"Ana <ana@escuela.example>", "Administrador <admin@escuela.example>", "Administrador del sistema <luis@escuela.example>"} {
			m := Understand([]byte("From: "+from+"\nTo: soporte@campus.example\nSubject: "+subject+"\nContent-Type: text/plain; charset=utf-8\n\nAyuda: me dice que la cuenta no existe.\n"), Options{})
			if m.Kind != ticket.KindHuman {
				t.Errorf("%q from %s: %s", subject, from, m.Kind)
			}
		}
	}
}

// TestSpanishReasons: what servers say in Spanish, when they write no code.
func TestSpanishReasons(t *testing.T) {
	for reason, texts := range map[ticket.BounceReason][]string{
		ticket.BounceMailboxUnknown:  {"Usuario inexistente", "Destinatario no válido", "Dirección inválida", "Buzón no disponible", "La cuenta de correo no existe"},
		ticket.BounceMailboxDisabled: {"Cuenta bloqueada", "Cuenta cancelada", "Buzón desactivado"},
		ticket.BounceMailboxFull:     {"Cuota excedida", "Sin espacio en el buzón", "Buzón de correo lleno"},
		ticket.BounceTooLarge:        {"Mensaje muy grande", "Excede el tamaño permitido"},
		ticket.BounceContent:         {"Rechazado por spam", "Contenido no permitido"},
		ticket.BounceBlocked:         {"IP bloqueada", "Bloqueado por lista negra"},
		ticket.BounceHostUnknown:     {"Dominio desconocido", "No se pudo resolver el dominio"},
		ticket.BounceNetwork:         {"No se pudo conectar con el servidor", "Tiempo de espera agotado"},
		ticket.BounceExpired:         {"Tiempo de entrega agotado"},
		ticket.BouncePolicy:          {"Acceso denegado", "Relay denegado"},
		ticket.BounceSystem:          {"Servicio no disponible"},
		ticket.BounceLoop:            {"Demasiados saltos"},
	} {
		for _, text := range texts {
			if c := causeOf(strings.ToLower(text), false); c == nil || c.reason != reason {
				t.Errorf("%q: %+v, want %s", text, c, reason)
			}
		}
	}
}
