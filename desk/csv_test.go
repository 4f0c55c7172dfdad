package desk_test

import (
	"strings"
	"testing"

	"buzon/desk"
)

// A cell that a spreadsheet would calculate is text.
func TestCSVHoldsNoFormulas(t *testing.T) {
	var b strings.Builder
	cells := []string{"=1+1", "+57", "-1", "@x", "\tx", "\rx", "a=1", "", `say "x", y`}
	if err := (desk.Report{Columns: []string{"=c", "d"}, Rows: [][]string{cells}}).WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	want := "'=c,d\n'=1+1,'+57,'-1,'@x,'\tx,\"'\rx\",a=1,,\"say \"\"x\"\", y\"\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}
