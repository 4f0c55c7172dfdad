package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"buzon/mailpipe"
	"buzon/templates"
)

type inspectCmd struct {
	Config string   `help:"Configuration file, whose addresses are the desk's own." placeholder:"FILE" type:"path"`
	Pretty bool     `help:"Indented, for people."`
	Mail   []string `arg:"" help:"Message files, mbox files or Maildir folders; - is standard input."`
}

// Run prints what the desk sees, one JSON object a message; exit 1 if any could
// not be understood.
func (c *inspectCmd) Run(e *env) error {
	var opt mailpipe.Options
	if c.Config != "" {
		table, err := (&where{Config: c.Config}).table()
		if err != nil {
			return err
		}
		opt = reading(table)
	}
	out := json.NewEncoder(e.stdout)
	out.SetEscapeHTML(false)
	if c.Pretty {
		out.SetIndent("", "  ")
	}
	bad := false
	for _, file := range mailFiles(c.Mail) {
		err := eachMail(e, file, func(raw []byte) error {
			seen := mailpipe.Inspect(file, raw, opt)
			bad = bad || seen.Error != ""
			return out.Encode(seen)
		})
		if err != nil {
			bad = true
			if err := out.Encode(map[string]string{"file": file, "error": err.Error()}); err != nil {
				return err
			}
		}
	}
	if bad {
		return &exit{code: exitNo}
	}
	return nil
}

// mailFiles puts the messages of a Maildir in the place of its folder.
func mailFiles(names []string) []string {
	var files []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() {
			files = append(files, name)
			continue
		}
		for _, sub := range []string{"new", "cur"} {
			found, _ := filepath.Glob(filepath.Join(name, sub, "*"))
			files = append(files, found...)
		}
	}
	return files
}

// eachMail calls do for each message of a file.
func eachMail(e *env, file string, do func(raw []byte) error) error {
	raw, err := readMail(e, file)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(raw, []byte("From ")) {
		return do(raw)
	}
	return mailpipe.SplitMbox(bytes.NewReader(raw), do)
}

type templateCmd struct {
	Render templateRenderCmd `cmd:"" help:"Render a template."`
	List   templateListCmd   `cmd:"" help:"List the templates."`
}

type templateRenderCmd struct {
	Name     string `arg:"" help:"The template's name."`
	Language string `help:"es or en." default:"es" enum:"es,en"`
	Folder   string `help:"Folder whose files override the built-in templates." type:"path"`
	HTML     bool   `name:"html" help:"The HTML, instead of subject and text."`
}

// Run renders a template with sample data.
func (c *templateRenderCmd) Run(e *env) error {
	set, err := templates.New(c.Folder)
	if err != nil {
		return &exit{exitUsage, err}
	}
	mail, err := set.Render(c.Name, c.Language, templates.Sample(c.Language))
	if err != nil {
		return &exit{exitUsage, err}
	}
	if c.HTML {
		_, err = io.WriteString(e.stdout, mail.HTML)
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "Subject: %s\n\n%s", mail.Subject, mail.Text)
	return err
}

type templateListCmd struct{}

// Run lists the templates.
func (templateListCmd) Run(e *env) error {
	set, err := templates.New("")
	if err != nil {
		return err
	}
	names := set.Names()
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintln(e.stdout, n)
	}
	return nil
}
