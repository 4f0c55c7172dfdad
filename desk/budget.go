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

// budget counts the mail that was sent in the last 24 hours, by the hour, against
// the limit of the account at the smarthost.
type budget struct {
	mu     sync.Mutex
	hours  map[int64]int // by hour since 1970
	loaded bool
}

const day = 24 * time.Hour

// used returns how many mails were sent in the last 24 hours. The first call
// counts what was sent before this start.
func (b *budget) used(st *store.Store, now time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.loaded {
		b.hours = map[int64]int{}
		err := st.View(func(tx *store.Tx) error {
			rows, err := tx.OutgoingList(ticket.OutgoingSent, 20_000)
			for _, row := range rows {
				b.hours[row.Finished.Unix()/3600]++
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		b.loaded = true
	}
	oldest, n := now.Add(-day).Unix()/3600, 0
	for hour, count := range b.hours {
		if hour < oldest {
			delete(b.hours, hour)
			continue
		}
		n += count
	}
	return n, nil
}

func (b *budget) sent(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.loaded {
		b.hours[now.Unix()/3600]++
	}
}

// room is what is left of the day's limit.
type room struct{ limit, used int }

// has tells whether a mail of the class may go after so many others.
func (r room) has(class ticket.Class, others int) bool {
	return r.limit == 0 || (r.used+others)*100 < r.limit*share[class]
}

// room works out what may be sent now. What has to wait loses nothing: the limit is
// that of the last 24 hours, so room comes back by itself.
func (d *Desk) room(now time.Time) (room, error) {
	limit := d.Table().Config.Outgoing.DailyLimit
	if limit == 0 {
		return room{}, nil
	}
	used, err := d.budget.used(d.Store, now)
	if err != nil {
		return room{}, err
	}
	if used*100 >= limit*quotaAlarm {
		d.Raise(Alarm{
			Key:  "quota",
			What: fmt.Sprintf("%d of the %d mails that may be sent in 24 hours are used up; reminders wait first, then notifications, answers last", used, limit),
			Try:  "raise the limit at the smarthost and outgoing.daily_limit, or look who causes so much: buzon outbox list --state sent",
		})
	} else {
		d.Clear("quota")
	}
	return room{limit, used}, nil
}
