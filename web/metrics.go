package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"buzon/desk"
	"buzon/ticket"
)

// Metrics counts what happens and reads what there is when it is asked.
type Metrics struct {
	registry *prometheus.Registry
	received *prometheus.CounterVec
	sent     *prometheus.CounterVec
	took     prometheus.Histogram
}

// NewMetrics registers the desk's metrics; health tells of its connections.
func NewMetrics(d *desk.Desk, health func() desk.Health) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "buzon_messages_received_total", Help: "Messages taken, by account and by what became of them.",
		}, []string{"account", "outcome"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "buzon_mail_attempts_total", Help: "Attempts to send outgoing mail, by result.",
		}, []string{"result"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "buzon_take_seconds", Help: "Time from the whole message to its durable effect.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}),
	}
	m.registry.MustRegister(m.received, m.sent, m.took, &state{desk: d, health: health},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Received counts a message that was taken.
func (m *Metrics) Received(account string, out ticket.Outcome, took time.Duration) {
	m.received.WithLabelValues(account, out.Event).Inc()
	m.took.Observe(took.Seconds())
}

// Attempted counts an attempt to send.
func (m *Metrics) Attempted(r ticket.Result) {
	result := "deferred"
	switch {
	case r.Sent:
		result = "sent"
	case r.Permanent:
		result = "failed"
	}
	m.sent.WithLabelValues(result).Inc()
}

// state collects what the store and the connections say at the time of asking.
type state struct {
	desk   *desk.Desk
	health func() desk.Health
}

var (
	descTickets     = prometheus.NewDesc("buzon_tickets", "Tickets by status.", []string{"status"}, nil)
	descWaiting     = prometheus.NewDesc("buzon_outbox_waiting", "Outgoing mails that wait to be sent.", nil, nil)
	descOldest      = prometheus.NewDesc("buzon_outbox_oldest_seconds", "Age of the oldest outgoing mail that waits.", nil, nil)
	descFailed      = prometheus.NewDesc("buzon_outbox_failed", "Outgoing mails that were given up.", nil, nil)
	descQuarantined = prometheus.NewDesc("buzon_quarantined", "Messages in quarantine.", nil, nil)
	descHeld        = prometheus.NewDesc("buzon_held", "Messages that wait for a person's word.", nil, nil)
	descAlarms      = prometheus.NewDesc("buzon_alarms", "Alarms that are active.", nil, nil)
	descFree        = prometheus.NewDesc("buzon_disk_free_bytes", "Free space where the data folder is.", nil, nil)
	descHeard       = prometheus.NewDesc("buzon_mailbox_heard_seconds", "Seconds since the mailbox's server was last heard from.", []string{"account", "mailbox"}, nil)
	descCanaryBack  = prometheus.NewDesc("buzon_canary_back_seconds", "Seconds since a mail of the desk's to itself came back last.", []string{"topic"}, nil)
	descCanaryTook  = prometheus.NewDesc("buzon_canary_took_seconds", "How long the last one that came back was under way.", []string{"topic"}, nil)
	descCanaryOut   = prometheus.NewDesc("buzon_canary_out", "Those that have not come back.", []string{"topic"}, nil)
	descConnected   = prometheus.NewDesc("buzon_mailbox_connected", "Whether the mailbox's server is connected.", []string{"account", "mailbox"}, nil)
)

// Describe names no metric in advance, so that mailboxes may come and go.
func (s *state) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state.
func (s *state) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := s.desk.Now()
	gauge(descAlarms, float64(len(s.desk.Alarms())))
	health := s.health()
	for _, c := range health.Canaries {
		gauge(descCanaryOut, float64(c.Out), c.Topic)
		if !c.Back.IsZero() {
			gauge(descCanaryBack, now.Sub(c.Back).Seconds(), c.Topic)
			gauge(descCanaryTook, c.Took.Seconds(), c.Topic)
		}
	}
	for _, a := range health.Accounts {
		connected := 0.0
		if a.Connected {
			connected = 1
		}
		gauge(descConnected, connected, a.Account, a.Mailbox)
		if !a.LastHeard.IsZero() {
			gauge(descHeard, now.Sub(a.LastHeard).Seconds(), a.Account, a.Mailbox)
		}
	}
	f, err := s.desk.Figures()
	if err != nil {
		out <- prometheus.NewInvalidMetric(descTickets, err)
		return
	}
	for _, status := range ticket.Statuses {
		gauge(descTickets, float64(f.Tickets[status]), string(status))
	}
	gauge(descWaiting, float64(f.Waiting))
	gauge(descFailed, float64(f.Failed))
	gauge(descQuarantined, float64(f.Quarantined))
	gauge(descHeld, float64(f.Held))
	gauge(descFree, float64(f.FreeDisk))
	age := 0.0
	if f.Waiting > 0 && !f.OldestWaiting.IsZero() {
		age = now.Sub(f.OldestWaiting).Seconds()
	}
	gauge(descOldest, age)
}
