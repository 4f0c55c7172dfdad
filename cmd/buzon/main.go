// Command buzon is a help desk that lives in email.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set when a release is built.
var version = "development"

// Exit codes.
const (
	exitDone  = 0
	exitNo    = 1 // the answer is no, or the work failed
	exitUsage = 2 // wrong usage or input
)

// env is what a command works with.
type env struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// exit is an error that chooses the exit code. Its text may be empty when all has
// been said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

type commands struct {
	Demo       demoCmd       `cmd:"" help:"The whole desk on this machine with nothing to set up, and a story to watch."`
	Serve      serveCmd      `cmd:"" help:"Run the desk."`
	Check      checkCmd      `cmd:"" help:"Say every mistake in the configuration, with line and column and what would work."`
	Route      routeCmd      `cmd:"" help:"Say where a message would go, and why. Changes nothing."`
	Routes     routesCmd     `cmd:"" help:"Show who gets what."`
	Status     statusCmd     `cmd:"" help:"Say what is wrong, since when, and what to type."`
	Reload     reloadCmd     `cmd:"" help:"Make the running desk read its configuration again."`
	Pause      pauseCmd      `cmd:"" help:"Stop sending mail, or an account."`
	Resume     resumeCmd     `cmd:"" help:"Go on after pause."`
	Ticket     ticketCmd     `cmd:"" help:"List and show tickets; hold them for the law."`
	Outbox     outboxCmd     `cmd:"" help:"List, show, retry and drop outgoing mail."`
	Quarantine quarantineCmd `cmd:"" help:"List, show, retry and drop messages that could not be read."`
	Held       heldCmd       `cmd:"" help:"List, show, release and drop messages that wait for a person's word."`
	Person     personCmd     `cmd:"" help:"Show, export and erase a person."`
	Report     reportCmd     `cmd:"" help:"Count tickets, times and what is late, as a table or CSV."`
	Keys       keysCmd       `cmd:"" help:"List and rotate the keys that sign reply addresses."`
	Verify     verifyCmd     `cmd:"" help:"Check every row, index and archived message; say what differs."`
	Backup     backupCmd     `cmd:"" help:"Copy everything to a folder, while the desk runs or not."`
	Restore    restoreCmd    `cmd:"" help:"Make a data folder of a backup."`
	Rebuild    rebuildCmd    `cmd:"" help:"Write all indexes anew. The desk must not run."`
	Compact    compactCmd    `cmd:"" help:"Give back the room of what was deleted. The desk must not run."`
	Inspect    inspectCmd    `cmd:"" help:"Show what the desk sees in a message, one JSON object a line."`
	Template   templateCmd   `cmd:"" help:"Render a mail template with sample data."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	var cmds commands
	type asked int // kong asks to exit after --help
	defer func() {
		if r := recover(); r != nil {
			n, ok := r.(asked)
			if !ok {
				panic(r)
			}
			code = int(n)
		}
	}()
	parser, err := kong.New(&cmds,
		kong.Name("buzon"),
		kong.Description("A help desk that lives in email. Begin with: buzon demo"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(n int) { panic(asked(n)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "buzon:", err)
		return exitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "buzon: %v (try: buzon --help)\n", err)
		return exitUsage
	}
	err = kctx.Run(&env{ctx, stdin, stdout, stderr})
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "buzon:", text)
	}
	var chosen *exit
	if errors.As(err, &chosen) {
		return chosen.code
	}
	return exitNo
}

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.stdout, "buzon", version)
	return err
}
