package routing

// CalendarConfig is when people work.
type CalendarConfig struct {
	ID        string   `toml:"id" need:"yes"`                               // unique
	TimeZone  string   `toml:"time_zone"`                                   // IANA name; default: the desk's
	Hours     []string `toml:"hours" need:"yes"`                            // days and times: "mon-fri 08:00-12:00 13:00-17:00"
	Holidays  string   `toml:"holidays" default:"none" one:"none colombia"` // none, colombia
	DaysOff   []string `toml:"days_off"`                                    // dates, or days of every year: "2026-12-24", "12-31"
	ICalendar string   `toml:"icalendar" kind:"path"`                       // file whose whole-day events are days off
}

// ClosedConfig is a time in which the desk is closed.
type ClosedConfig struct {
	From      string   `toml:"from" need:"yes"`  // date
	Until     string   `toml:"until" need:"yes"` // date, included
	Calendars []string `toml:"calendars"`        // ids; default: all, and the wall clock
	Text      string   `toml:"text" kind:"text"` // stands in confirmations at that time
	TextEN    string   `toml:"text_en" kind:"text"`
}

// SLAConfig is by when requesters are answered. With a calendar, times are working
// time: a day is a usual working day of the calendar, a week is its week. Without
// one they are times of the wall clock. "0" is no limit.
type SLAConfig struct {
	ID            string `toml:"id" need:"yes"`       // unique
	Calendar      string `toml:"calendar"`            // id; default: the wall clock
	Answer        Span   `toml:"answer" default:"0"`  // to the next answer
	AnswerLow     Span   `toml:"answer_low"`          // for a priority; default: answer
	AnswerHigh    Span   `toml:"answer_high"`         //
	AnswerUrgent  Span   `toml:"answer_urgent"`       //
	Resolve       Span   `toml:"resolve" default:"0"` // until it is resolved
	ResolveLow    Span   `toml:"resolve_low"`         // for a priority; default: resolve
	ResolveHigh   Span   `toml:"resolve_high"`        //
	ResolveUrgent Span   `toml:"resolve_urgent"`      //
	Escalate      Span   `toml:"escalate"`            // when reminders go to those of reminder.escalate too; default: from the second on
}

// AutoCloseConfig is when tickets on which nobody writes any more are closed. "0"
// is never.
type AutoCloseConfig struct {
	ResolvedAfter Duration `toml:"resolved_after" default:"0"`               // silence on a resolved ticket, until the requester is told that it will be closed
	NudgeAfter    Duration `toml:"nudge_after" default:"0"`                  // silence of the requester, until they are reminded
	WaitingAfter  Duration `toml:"waiting_after" default:"0"`                // silence of the requester, until the ticket is closed
	Notice        Duration `toml:"notice" default:"3d" min:"1h" max:"3650d"` // at least this lies between a notice and the closing
}
