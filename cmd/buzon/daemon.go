package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"buzon/control"
	"buzon/desk"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
	"buzon/web"
)

// stopWithin bounds a clean stop; what is not done by then is done after the next
// start, because nothing was acknowledged.
const stopWithin = 20 * time.Second

type daemonOptions struct {
	table *routing.Table
	data  string
	log   *slog.Logger
	// load reads the configuration again, for a reload.
	load func() (*routing.Table, error)
	// file is the configuration's, which is watched; empty: none is.
	file  string
	watch time.Duration // how often it is looked at; 0: every watchEvery
	// secret replaces the reading of password files, for the demo.
	secret func(file, env string) (string, error)
}

// deskDaemon is the running desk: everything that main wires together.
type deskDaemon struct {
	daemonOptions
	started  time.Time
	store    *store.Store
	desk     *desk.Desk
	pipe     *mailpipe.Pipe
	listener *mailpipe.Listener
	senders  map[string]*mailpipe.Sender // by smarthost
	control  *control.Server
	web      *web.Server
	metrics  *web.Metrics
	health   *healthBoard
	clock    *clock
	// said takes what the connections say of themselves, to be dealt with in
	// order and without holding them up.
	said chan func()

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex // guards table and workers during a reload
	workers []*worker
	begun   *routing.Config // what is in effect until the next start
	// restart holds the parts of the file that wait for it.
	restart  atomic.Pointer[[]string]
	stopOnce sync.Once
	stopErr  error
}

// worker is one mailbox being read.
type worker struct {
	*mailpipe.IMAPWorker
	config routing.AccountConfig
	stop   func() // and wait
}

// startDaemon starts everything, in the order in which things depend on each
// other: state, desk, ways out, ways in. What fails is said, and what was started
// is stopped.
func startDaemon(ctx context.Context, o daemonOptions) (_ *deskDaemon, err error) {
	d := &deskDaemon{daemonOptions: o, started: time.Now(), begun: o.table.Config, health: newHealthBoard(), said: make(chan func(), 256)}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	if d.store, err = openStore(o.data, o.table, o.log); err != nil {
		return nil, err
	}
	if d.desk, err = newDesk(d.store, o.table, o.log); err != nil {
		return nil, err
	}
	d.spawn(d.listen)
	d.metrics = web.NewMetrics(d.desk, d.Health)
	for _, start := range []func() error{
		d.startNotifier, d.startTending, d.startSenders, d.inherit, d.startPipe, d.startClock, d.startListener, d.startWorkers, d.startControl, d.startWeb, d.startWatch,
	} {
		if err = start(); err != nil {
			return nil, err
		}
	}
	o.log.Info("serving", "data", o.data, "topics", len(o.table.Topics), "accounts", len(o.table.Config.Accounts))
	d.startWatchdog()
	return d, nil
}

func (d *deskDaemon) servers() *servers {
	s := newServers(d.table.Config, d.log)
	if d.secret != nil {
		s.secret = d.secret
	}
	return s
}

// startSenders runs one sender for each smarthost, so that the trouble of one holds
// up no mail of another.
func (d *deskDaemon) startSenders() error {
	servers, config := d.servers(), d.table.Config
	d.senders = map[string]*mailpipe.Sender{}
	add := func(name string, o routing.OutgoingConfig, log *slog.Logger) error {
		settings, err := servers.smarthost(o)
		if err != nil {
			return &exit{exitUsage, fmt.Errorf("smarthost %s: %w", o.Host, err)}
		}
		changed := func(st mailpipe.SenderStatus) { d.outgoingChanged(name, st) }
		d.senders[name] = mailpipe.NewSender(settings, outbox{d.desk.Outbox(name), d.metrics}, changed, log, time.Now)
		return nil
	}
	err := add("", config.Outgoing, d.log)
	for _, r := range config.Smarthosts {
		err = errors.Join(err, add(r.Name, r.OutgoingConfig, d.log.With(ticket.LogSmarthost, r.Name)))
	}
	if err != nil {
		return err
	}
	senders := d.senders
	d.desk.OnQueued(func() {
		for _, s := range senders {
			s.Wake()
		}
	})
	for _, s := range senders {
		d.spawn(s.Run)
	}
	return nil
}

func (d *deskDaemon) startPipe() error {
	d.pipe = mailpipe.NewPipe(2 * runtime.GOMAXPROCS(0))
	d.pipe.Archive, d.pipe.Receiver, d.pipe.Log = d.store, d.desk, d.log
	d.pipe.Reading = func() mailpipe.Options { return readingOf(d.desk) }
	d.pipe.Received = d.metrics.Received
	return nil
}

func (d *deskDaemon) startListener() error {
	c := d.table.Config.SMTP
	if len(c.Listen) == 0 && c.LMTP == "" {
		return nil
	}
	config := mailpipe.ListenerConfig{
		Hostname: d.table.Config.Desk.Hostname, Addresses: c.Listen, LMTPSocket: c.LMTP, TLS: c.TLS,
		MaxMessage: int64(c.MaxMessage), MaxConnections: c.MaxConnections, MaxPerAddress: c.MaxPerAddress,
	}
	if c.Certificate != "" {
		certificates, err := mailpipe.NewCertificateReloader(c.Certificate, c.Key, d.log)
		if err != nil {
			return &exit{exitUsage, fmt.Errorf("[smtp] certificate: %w", err)}
		}
		config.Certificates = certificates
	}
	listener := mailpipe.NewListener(config, d.pipe, d.desk, d.log)
	if err := listener.Start(); err != nil {
		return &exit{exitUsage, err}
	}
	d.listener = listener
	return nil
}

func (d *deskDaemon) startWorkers() error {
	servers := d.servers()
	for _, account := range d.table.Config.Accounts {
		if err := d.startAccount(servers, account); err != nil {
			return &exit{exitUsage, err}
		}
	}
	return nil
}

func (d *deskDaemon) startAccount(servers *servers, account routing.AccountConfig) error {
	list, err := servers.mailboxes(account)
	if err != nil {
		return err
	}
	for _, config := range list {
		w := &worker{config: account}
		w.IMAPWorker = mailpipe.NewIMAPWorker(config, d.pipe, d.desk, d.mailboxChanged, d.log, time.Now)
		ctx, cancel := context.WithCancel(d.ctx)
		done := make(chan struct{})
		w.stop = func() { cancel(); <-done }
		d.spawn(func(context.Context) { defer close(done); w.Run(ctx) })
		d.workers = append(d.workers, w)
	}
	return nil
}

func (d *deskDaemon) startControl() (err error) {
	d.control, err = control.Listen(d.data, &control.Service{Desk: d.desk, Daemon: d, Started: d.started}, d.log)
	return err
}

func (d *deskDaemon) startWeb() (err error) {
	address := d.table.Config.Web.Listen
	if address == "off" {
		return nil
	}
	d.web, err = web.Listen(address, web.Health(d.desk), d.metrics, d.log)
	return err
}

func (d *deskDaemon) startClock() (err error) {
	d.clock, err = startClock(d.ctx, d.desk, d.data, d.lookIntoSpam, d.log)
	return err
}

// lookIntoSpam looks into an account's spam folder, over a connection of its own.
func (d *deskDaemon) lookIntoSpam(ctx context.Context, a routing.AccountConfig, since ticket.MailboxState) (ticket.Arrivals, error) {
	servers := newServers(d.desk.Table().Config, d.log)
	if d.secret != nil {
		servers.secret = d.secret
	}
	folder, err := servers.spamFolder(a)
	if err != nil {
		return ticket.Arrivals{}, err
	}
	return mailpipe.LookInto(ctx, folder, since, d.desk.Now())
}

// startWatchdog tells systemd that the desk is ready, and then that it is alive,
// as long as its store answers.
func (d *deskDaemon) startWatchdog() {
	daemon.SdNotify(false, daemon.SdNotifyReady)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	d.spawn(func(ctx context.Context) {
		tick := time.NewTicker(every / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, err := d.desk.Figures(); err == nil {
					daemon.SdNotify(false, daemon.SdNotifyWatchdog)
				}
			}
		}
	})
}

// listen deals with what the connections say, one after the other.
func (d *deskDaemon) listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case deal := <-d.said:
			deal()
		}
	}
}

// later has something dealt with by listen. A flood beyond the channel's size is
// cut: the next change says the same again.
func (d *deskDaemon) later(deal func()) {
	select {
	case d.said <- deal:
	default:
		d.log.Warn("too many changes of connections at once; one was not dealt with")
	}
}

func (d *deskDaemon) spawn(run func(context.Context)) {
	d.running.Add(1)
	go func() {
		defer d.running.Done()
		run(d.ctx)
	}()
}

// stop ends everything in reverse: ways in first, so that what is under way is
// finished, the state last. It may be called at any stage of the start.
func (d *deskDaemon) stop() error {
	d.stopOnce.Do(func() {
		daemon.SdNotify(false, daemon.SdNotifyStopping)
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		var errs []error
		if d.listener != nil {
			errs = append(errs, d.listener.Close(ctx))
		}
		d.cancel()
		finished := make(chan struct{})
		go func() { d.running.Wait(); close(finished) }()
		select {
		case <-finished:
		case <-ctx.Done():
			errs = append(errs, errors.New("not everything stopped in time; what was under way is done after the next start"))
		}
		if d.clock != nil {
			d.clock.stop()
		}
		if d.control != nil {
			errs = append(errs, d.control.Close(ctx))
		}
		if d.web != nil {
			errs = append(errs, d.web.Close(ctx))
		}
		if d.store != nil {
			errs = append(errs, d.store.Close())
		}
		d.stopErr = errors.Join(errs...)
	})
	return d.stopErr
}

// Switch stops or starts all outgoing mail, that to one smarthost, or an account.
func (d *deskDaemon) Switch(what string, on bool) error {
	found := false
	for name, s := range d.senders {
		if what != "outgoing" && (name == "" || what != name) {
			continue
		}
		found = true
		if on {
			s.Resume()
		} else {
			s.Pause()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.workers {
		if w.config.Name != what {
			continue
		}
		found = true
		if on {
			w.Resume()
		} else {
			w.Pause()
		}
	}
	if !found {
		return fmt.Errorf("there is no account %q; say outgoing, or the name of an account or a smarthost", what)
	}
	return nil
}
