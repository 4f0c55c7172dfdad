package powercut

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	gosync "sync"
	"time"

	"buzon/internal/postoffice"
	"buzon/internal/realservers"
	"buzon/internal/stream"
)

// send hands a message to the desk by SMTP.
func (r *recorder) send(from, to string, raw []byte) error {
	err := realservers.Send(r.smtp, from, []string{to}, raw)
	if err == nil {
		r.promise(Promise{Message: sha256.Sum256(raw), Name: "to " + to + " by SMTP"})
	}
	return err
}

// watchMoved notes which messages have left the INBOX for Procesados, until quit
// is closed.
func (r *recorder) watchMoved(quit <-chan struct{}) {
	seen := map[Digest]bool{}
	for {
		for _, m := range r.office.Messages(mailbox, "Procesados") {
			if sum := sha256.Sum256(m.Raw); !seen[sum] {
				seen[sum] = true
				r.promise(Promise{Message: sum, Name: "to " + m.To + " by IMAP"})
			}
		}
		select {
		case <-quit:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// traffic lets several people write by SMTP at once and others by IMAP, and waits
// until all is taken and answered. Of each sender's messages some come twice.
func (r *recorder) traffic(seed int64, senders, each int) {
	r.tb.Helper()
	r.looking()
	quit := make(chan struct{})
	var watching, writing gosync.WaitGroup
	watching.Go(func() { r.watchMoved(quit) })
	for i := range senders {
		writing.Go(func() {
			s := r.stream(seed*100+int64(i), "soporte@desk.test")
			for n := range each {
				m := next(s, n == each/2)
				times := 1
				if n%7 == 3 {
					times = 2
				}
				for range times {
					if err := r.send(m.From, m.To, m.Raw); err != nil {
						r.tb.Errorf("message %d of sender %d: %v", m.N, i, err)
					}
				}
				if n%7 == 5 { // the same by another way
					r.deliver(m.Raw)
				}
			}
		})
	}
	writing.Go(func() {
		s := r.stream(seed*100+99, mailbox)
		for n := range each {
			r.deliver(next(s, n == each/2).Raw)
		}
	})
	writing.Wait()
	r.eventually("the mailbox to be empty", func() bool { return len(r.office.Messages(mailbox, "INBOX")) == 0 })
	r.answers(3)
	close(quit)
	watching.Wait()
}

func (r *recorder) deliver(raw []byte) {
	if err := r.office.Deliver(mailbox, raw); err != nil {
		r.tb.Error(err)
	}
}

// next makes the next message, only a large one if that is wanted: they are what
// an image takes its time for.
func next(s *stream.Stream, large bool) *stream.Message {
	for {
		if m := s.Next(); large || len(m.Raw) < 40_000 {
			return m
		}
	}
}

func (r *recorder) stream(seed int64, to string) *stream.Stream {
	return stream.New(seed, stream.Options{
		Domain: fmt.Sprintf("uni%d.test", seed), Requesters: 10, Topics: []string{to}, Start: time.Now(),
		Confirmation: func(request string) (stream.Confirmation, bool) {
			for _, m := range r.office.Sent() {
				h, err := mail.ReadMessage(bytes.NewReader(m.Raw))
				if err != nil || m.To == agent || !strings.HasPrefix(h.Header.Get("References"), "<"+request+">") {
					continue
				}
				return confirmation(m, h.Header), true
			}
			return stream.Confirmation{}, false
		},
	})
}

func confirmation(m postoffice.Mail, h mail.Header) stream.Confirmation {
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		subject = h.Get("Subject")
	}
	to := h.Get("Reply-To")
	if to == "" {
		to = h.Get("From")
	}
	if a, err := mail.ParseAddress(to); err == nil {
		to = a.Address
	}
	return stream.Confirmation{
		MessageID: strings.Trim(h.Get("Message-Id"), "<>"), ReplyTo: to, ReturnPath: m.From, Subject: subject,
		Text: "Hemos recibido su solicitud.",
	}
}

// answers has the agent reply to the first few notifications, and waits until
// these replies have gone out.
func (r *recorder) answers(n int) {
	r.tb.Helper()
	toAgent := func() (list []postoffice.Mail) {
		for _, m := range r.office.Sent() {
			if m.To == agent {
				list = append(list, m)
			}
		}
		return list
	}
	r.eventually("notifications to the agent", func() bool { return len(toAgent()) >= n })
	for i, m := range toAgent()[:n] {
		h, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			r.tb.Fatal(err)
		}
		c := confirmation(m, h.Header)
		words := fmt.Sprintf("Respuesta %d de la carrera %d.", i, r.runs)
		raw := fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: Re: %s\r\nDate: %s\r\nMessage-ID: <%d.%d@ana.test>\r\nIn-Reply-To: <%s>\r\nReferences: <%s>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
			agent, c.ReplyTo, mime.QEncoding.Encode("utf-8", c.Subject), time.Now().Format(time.RFC1123Z), r.runs, i, c.MessageID, c.MessageID, words)
		if err := r.send(agent, c.ReplyTo, []byte(raw)); err != nil {
			r.tb.Errorf("answer %d: %v", i, err)
		}
		r.eventually("the answer to go out", func() bool {
			for _, m := range r.office.Sent() {
				if m.To != agent && bytes.Contains(m.Raw, []byte(words)) {
					return true
				}
			}
			return false
		})
	}
}
