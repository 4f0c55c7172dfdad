package desk

import (
	"fmt"
	"sync"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// share is how much of the day's limit each class may use up, in percent, so that
// when mail runs short the answers are the last to wait.
var share = map[ticket.Class]int{
	ticket.ClassAnswer:       100,
	ticket.ClassConfirmation: 95,
	ticket.ClassNotification: 90,
	ticket.ClassReminder:     80,
	ticket.ClassNotice:       100, // few, and they tell of this
}

// quotaAlarm is the part of the limit, in percent, at which operators are told.
const quotaAlarm = 70

// budget counts the mail that was sent in the last 24 hours, by smarthost and by
// the hour, against the limit of the account at it.
type budget struct {
	mu    sync.Mutex
	hours map[string]map[int64]int // by name, then by hour since 1970; nil: not counted yet
}

const day = 24 * time.Hour

// used returns how many mails were sent in the last 24 hours through a smarthost.
// The first call counts what was sent before this start; of says through which.
func (b *budget) used(st *store.Store, smarthost string, of func(*ticket.Outgoing) string, now time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hours == nil {
		counted := map[string]map[int64]int{}
		err := st.View(func(tx *store.Tx) error {
			rows, err := tx.OutgoingList(ticket.OutgoingSent, 20_000)
			for _, row := range rows {
				count(counted, of(row), row.Finished)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		b.hours = counted
	}
	oldest, n := now.Add(-day).Unix()/3600, 0
	for hour, count := range b.hours[smarthost] {
		if hour < oldest {
			delete(b.hours[smarthost], hour)
			continue
		}
		n += count
	}
	return n, nil
}

func (b *budget) sent(smarthost string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hours != nil {
		count(b.hours, smarthost, now)
	}
}

func count(hours map[string]map[int64]int, smarthost string, at time.Time) {
	if hours[smarthost] == nil {
		hours[smarthost] = map[int64]int{}
	}
	hours[smarthost][at.Unix()/3600]++
}

// room is what is left of the day's limit.
type room struct{ limit, used int }

// has tells whether a mail of the class may go after so many others.
func (r room) has(class ticket.Class, others int) bool {
	return r.limit == 0 || (r.used+others)*100 < r.limit*share[class]
}

// room works out what may be sent now through a smarthost. What has to wait loses
// nothing: the limit is that of the last 24 hours, so room comes back by itself.
func (d *Desk) room(smarthost string, now time.Time) (room, error) {
	conf := d.Table().Smarthost(smarthost)
	if conf == nil || conf.DailyLimit == 0 {
		return room{}, nil
	}
	limit := conf.DailyLimit
	used, err := d.budget.used(d.Store, smarthost, func(row *ticket.Outgoing) string { return d.outboxes.of(row.Smarthost) }, now)
	if err != nil {
		return room{}, err
	}
	key, section, only := "quota", "outgoing", ""
	if smarthost != "" {
		key, section, only = "quota "+smarthost, "smarthost", " through "+smarthost
	}
	if used*100 >= limit*quotaAlarm {
		d.Raise(Alarm{
			Key:  key,
			What: fmt.Sprintf("%d of the %d mails that may be sent%s in 24 hours are used up; reminders wait first, then notifications, answers last", used, limit, only),
			Try:  fmt.Sprintf("raise the limit at the smarthost and %s.daily_limit, or look who causes so much: buzon outbox list --state sent", section),
		})
	} else {
		d.Clear(key)
	}
	return room{limit, used}, nil
}
