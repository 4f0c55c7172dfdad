package desk

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// WriteCSV writes a report for a spreadsheet. What a spreadsheet would take for a
// formula is marked as text.
func (r Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	for _, cells := range append([][]string{r.Columns}, r.Rows...) {
		safe := make([]string, len(cells))
		for i, cell := range cells {
			if cell != "" && strings.IndexByte("=+-@\t\r", cell[0]) >= 0 {
				cell = "'" + cell
			}
			safe[i] = cell
		}
		if err := out.Write(safe); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// MailReports mails the reports that the configuration orders when their hour has
// come: as text, and each as a CSV file. How far that has been done is kept with the
// mails in one transaction, so that neither a restart nor a clock that jumps doubles
// one; of several hours that passed while the desk was down one is made up for. A
// configuration that is new begins with its next hour. It returns how many it queued.
func (d *Desk) MailReports(ctx context.Context) (int, error) {
	conf := d.Table().Config.Report
	if conf.At == "" {
		return 0, nil
	}
	var last string
	err := d.Store.View(func(tx *store.Tx) error { last = tx.LastReport(); return nil })
	if err != nil {
		return 0, err
	}
	instant, due := d.Table().ReportDue(last, d.Now())
	if !due {
		if last != "" {
			return 0, nil
		}
		return 0, d.Store.Update(ctx, func(tx *store.Tx) error {
			if tx.LastReport() != "" {
				return nil
			}
			return tx.SetLastReport(instant)
		})
	}
	var made []named
	for _, kind := range conf.Kinds {
		r, err := d.Tabulate(kind, d.Now().Add(-asDuration(conf.Since)))
		if err != nil {
			return 0, err
		}
		made = append(made, named{r, kind})
	}
	done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		c := &change{now: d.Now().UTC()}
		c.also = func(tx *store.Tx) error {
			if tx.LastReport() != last {
				return errStale
			}
			return tx.SetLastReport(instant)
		}
		p := &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}
		for _, to := range s.Table.ReportTo() {
			if err := p.mailReports(to, made); err != nil {
				return nil, err
			}
		}
		return c, nil
	})
	if errors.Is(err, errStale) {
		return 0, nil // it was made meanwhile
	} else if err != nil {
		return 0, err
	}
	return len(done.letters), nil
}

type named struct {
	Report
	kind string
}

func (p *planner) mailReports(to routing.Reader, reports []named) error {
	person, lang := &ticket.Person{Address: ticket.Address{Addr: to.Address}}, p.setting.Table.Config.Desk.Language
	if to.Agent != nil {
		var err error
		if person, err = p.agentPerson(to.Agent); err != nil {
			return err
		}
		lang = p.agentLanguage(to.Agent)
	}
	l := p.summary("report", lang, person)
	day := p.setting.local(p.now)
	l.data.Title = phrase(lang, "title.report", []string{templates.LongDay(lang, day)})
	since := p.now.Add(-asDuration(p.setting.Table.Config.Report.Since))
	l.data.Lines = []string{phrase(lang, "report.since", []string{templates.LongDay(lang, p.setting.local(since))})}
	for _, r := range reports {
		l.data.Sections = append(l.data.Sections, templates.Section{Title: phrase(lang, "report."+r.kind, nil), Lines: r.lines(lang)})
		var file bytes.Buffer
		if err := r.WriteCSV(&file); err != nil {
			return fmt.Errorf("writing report %s: %w", r.kind, err)
		}
		l.data.Files = append(l.data.Files, templates.File{Name: r.file(day), Size: humanSize(int64(file.Len())), Included: true})
		l.files = append(l.files, ticket.File{
			Attachment: ticket.Attachment{Name: r.file(day), Type: "text/csv", Size: int64(file.Len())}, Content: file.Bytes(),
		})
	}
	return nil
}

func (r named) file(day time.Time) string {
	return "buzon-" + r.kind + "-" + day.Format(time.DateOnly) + ".csv"
}

// lines are the rows as people read them: what it is about, then the figures that are
// not nothing, each with its column's name.
func (r named) lines(lang string) (lines []string) {
	for _, cells := range r.Rows {
		var about, figures []string
		for i, cell := range cells {
			column := r.Columns[i]
			switch {
			case cell == "" || cell == "0":
			case column == "topic" || column == "with":
				about = append(about, cell)
			default:
				figures = append(figures, phrase(lang, "column."+column, nil)+" "+cell)
			}
		}
		lines = append(lines, strings.Join(about, ", ")+": "+strings.Join(figures, " · "))
	}
	if len(lines) == 0 {
		lines = []string{phrase(lang, "report.none", nil)}
	}
	return lines
}
