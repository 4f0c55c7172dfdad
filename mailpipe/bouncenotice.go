package mailpipe

import (
	"encoding/json"
	"strings"

	"buzon/ticket"
)

// sesNotice is the notice of Amazon SES on the fate of a mail, as Amazon SNS
// sends it by mail. Event publishing names its kind otherwise than feedback
// notification does; the rest is the same.
type sesNotice struct {
	NotificationType string `json:"notificationType"`
	EventType        string `json:"eventType"`
	Message          string `json:"Message"` // the notice, in an SNS envelope
	Bounce           struct {
		BounceType        string         `json:"bounceType"`
		BounceSubType     string         `json:"bounceSubType"`
		BouncedRecipients []sesRecipient `json:"bouncedRecipients"`
	} `json:"bounce"`
	Delay struct {
		DelayedRecipients []sesRecipient `json:"delayedRecipients"`
	} `json:"deliveryDelay"`
	Delivery struct {
		Recipients []string `json:"recipients"`
		Response   string   `json:"smtpResponse"`
	} `json:"delivery"`
	Mail struct {
		Headers []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
		Common struct {
			MessageID string `json:"messageId"`
		} `json:"commonHeaders"`
	} `json:"mail"`
}

type sesRecipient struct {
	Address    string `json:"emailAddress"`
	Action     string `json:"action"`
	Status     string `json:"status"`
	Diagnostic string `json:"diagnosticCode"`
}

const maxNotice = 256 << 10 // octets of JSON

// noticeJSON reads the notice in a message; nil: there is none.
func noticeJSON(m *ticket.Message, head header) *sesNotice {
	if !head.has("x-amz-sns-message-id") && !strings.HasSuffix(strings.ToLower(m.From.Addr), "@sns.amazonaws.com") {
		return nil
	}
	text := cutBytes(m.Text, maxNotice)
	at := strings.IndexByte(text, '{')
	if at < 0 {
		return nil
	}
	// lines were folded on the way, also within strings
	text = strings.ReplaceAll(strings.ReplaceAll(text[at:], "\r", ""), "\n", "")
	var n sesNotice
	if json.NewDecoder(strings.NewReader(text)).Decode(&n) != nil {
		return nil
	}
	if n.Message != "" && n.NotificationType == "" && n.EventType == "" {
		inner := n.Message
		n = sesNotice{}
		if json.Unmarshal([]byte(inner), &n) != nil {
			return nil
		}
	}
	if n.NotificationType == "" {
		n.NotificationType = n.EventType
	}
	if n.NotificationType == "" {
		return nil
	}
	return &n
}

// readNotice reads a notice of Amazon SES as a bounce; nil: the message is none.
func readNotice(m *ticket.Message, head header) *ticket.Bounce {
	n := noticeJSON(m, head)
	if n == nil {
		return nil
	}
	b := &ticket.Bounce{OriginalMessageID: cleanID(n.Mail.Common.MessageID)}
	for _, h := range n.Mail.Headers {
		if strings.EqualFold(h.Name, "message-id") {
			b.OriginalMessageID = readMessageID(h.Value)
		}
	}
	list, action, class := n.Bounce.BouncedRecipients, "failed", "5"
	switch strings.ToLower(n.NotificationType) {
	case "bounce":
		if strings.EqualFold(n.Bounce.BounceType, "transient") {
			class = "4"
		}
	case "deliverydelay":
		list, action, class = n.Delay.DelayedRecipients, "delayed", "4"
	case "delivery":
		action, class = "delivered", "2"
		for _, addr := range n.Delivery.Recipients {
			list = append(list, sesRecipient{Address: addr, Action: "delivered", Diagnostic: n.Delivery.Response})
		}
	default:
		return nil
	}
	for i, from := range list {
		if i == maxBounced {
			break
		}
		r := ticket.BouncedRecipient{
			Address: cleanAddr(from.Address), Action: statusAction(from.Action), Status: findStatus(from.Status), Diagnostic: statusDiagnostic(from.Diagnostic),
		}
		if r.Action == "" {
			r.Action = action
		}
		if r.Status == "" {
			r.Status = saidStatus(r.Diagnostic)
		}
		if r.Status == "" {
			if r.Status = class + ".0.0"; action != "delivered" {
				r.Status = statusByWords(r.Diagnostic, class == "4")
			}
		}
		if action != "delivered" {
			r.Reason = bounceReason(r.Status, r.Diagnostic+" "+n.Bounce.BounceSubType, action == "delayed")
			if strings.EqualFold(n.Bounce.BounceSubType, "mailboxfull") {
				r.Reason = ticket.BounceMailboxFull
			}
		}
		b.Recipients = append(b.Recipients, r)
	}
	if len(b.Recipients) == 0 {
		return nil
	}
	return b
}
