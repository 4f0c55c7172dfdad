// Package routing reads the configuration file and decides where mail goes. A
// file is decoded strictly, checked as a whole, with every mistake reported at
// its line and column, and compiled into an immutable Table. Matching a message
// against the table is pure: the same table and the same addresses give the same
// decision, with its reasons.
package routing

import "time"

// Config is the configuration file as it is written, with defaults filled in.
// Every key is optional unless its comment says that it is required; unknown
// keys are errors, and keys are written in lower case. Relative paths are
// relative to the folder of the file. The tags of the fields are the rules:
//
//	toml     the name of the key
//	default  the value of a key that is absent
//	need     "yes" for a required key
//	one      the words that are allowed, divided by spaces, or by bars
//	min, max the allowed range, both included, written like a value
//	kind     "path" for a file or folder, "text" where several lines are allowed,
//	         "secret" for what says where a secret is, "secretpath" for both
type Config struct {
	Desk        DeskConfig             `toml:"desk"`
	SMTP        SMTPConfig             `toml:"smtp"`
	Outgoing    OutgoingConfig         `toml:"outgoing"`
	Backup      BackupConfig           `toml:"backup"`
	Retention   RetentionConfig        `toml:"retention"`
	Web         WebConfig              `toml:"web"`
	Log         LogConfig              `toml:"log"`
	Alarm       AlarmConfig            `toml:"alarm"`
	Reminder    ReminderConfig         `toml:"reminder"`
	Digest      DigestConfig           `toml:"digest"`
	Spam        SpamConfig             `toml:"spam"`
	Canary      CanaryConfig           `toml:"canary"`
	Report      ReportConfig           `toml:"report"`
	AutoClose   AutoCloseConfig        `toml:"auto_close"`
	Permissions PermissionsConfig      `toml:"permissions"`
	OAuth       map[string]OAuthConfig `toml:"oauth"`
	Accounts    []AccountConfig        `toml:"account"`
	Smarthosts  []SmarthostConfig      `toml:"smarthost"`
	Topics      []TopicConfig          `toml:"topic"`
	Agents      []AgentConfig          `toml:"agent"`
	Teams       []TeamConfig           `toml:"team"`
	Canned      []CannedConfig         `toml:"canned"`
	Calendars   []CalendarConfig       `toml:"calendar"`
	Closed      []ClosedConfig         `toml:"closed"`
	SLAs        []SLAConfig            `toml:"sla"`
	Forms       []FormConfig           `toml:"form"`
	Rules       []RuleConfig           `toml:"rule"`
	Lists       ListsConfig            `toml:"lists"`
}

// Duration is a time span as people write it: 90s, 15m, 2h, 3d, 2w.
type Duration time.Duration

// Span is a time span whose days may be working days: see SLAConfig.
type Span string

// Size is a number of octets as people write it: 512 KB, 10 MB, 1 GB (powers of 1024).
type Size int64

// DeskConfig is what holds for the whole desk.
type DeskConfig struct {
	Name             string     `toml:"name" need:"yes"`                                    // shown as the sender's name
	Hostname         string     `toml:"hostname" need:"yes"`                                // our name in Message-IDs and EHLO
	Language         string     `toml:"language" default:"es" one:"es en"`                  // es or en
	TimeZone         string     `toml:"time_zone" default:"America/Bogota"`                 // IANA name
	Data             string     `toml:"data" kind:"path"`                                   // data folder; required unless --data is given
	FirstNumber      uint64     `toml:"first_number" default:"1" min:"1" max:"999999999"`   // the first ticket's number
	PlusAddressing   bool       `toml:"plus_addressing" default:"true"`                     // local+token@domain reaches the mailbox
	ReplyAddress     string     `toml:"reply_address"`                                      // where signed reply addresses are made, if not at the topic's own
	Operators        []string   `toml:"operators" need:"yes"`                               // agents who are told of alarms and take mail to postmaster
	Notice           string     `toml:"notice" kind:"text"`                                 // personal-data notice in the first confirmation
	ReopenWithin     Duration   `toml:"reopen_within" default:"30d"`                        // a reply reopens a ticket closed less than this ago
	TokenLifetime    Duration   `toml:"token_lifetime" default:"400d" min:"1d" max:"3650d"` // how long signed addresses work
	AutomaticPerHour int        `toml:"automatic_per_hour" default:"10" min:"1" max:"1000"` // automatic mails to one address in an hour
	SameDomains      [][]string `toml:"same_domains"`                                       // domains at which the same local part is the same person, in groups
	NotifyFiles      Size       `toml:"notify_files" default:"10 MB"`                       // attachments above this in all: the team gets the list only
	Quiet            Duration   `toml:"quiet" default:"2m" max:"1h"`                        // after a notification, the next ones on its ticket wait this long and are one; 0: none waits
	DiskFloor        Size       `toml:"disk_floor" default:"200 MB"`                        // free space below which mail is refused
	Templates        string     `toml:"templates" kind:"path"`                              // folder whose files override the built-in templates
	Footers          []string   `toml:"footers"`                                            // how the institution's texts below every mail begin; they count as signature
	SendDelay        Duration   `toml:"send_delay" default:"0s" min:"0s" max:"1h"`          // how long answers wait, so that /undo can take them back
	KeepSent         Duration   `toml:"keep_sent" default:"30d"`                            // how long the bytes of sent mail are kept
}

// SMTPConfig is the listener.
type SMTPConfig struct {
	Listen         []string `toml:"listen"`                                                 // addresses host:port; none: no listener
	LMTP           string   `toml:"lmtp"`                                                   // path of a unix socket for a local Postfix; empty: none
	TLS            string   `toml:"tls" default:"off" one:"off starttls required implicit"` // off, starttls, required, implicit
	Certificate    string   `toml:"certificate" kind:"path"`                                // PEM file; read again when it changes
	Key            string   `toml:"key" kind:"path"`                                        // PEM file
	MaxMessage     Size     `toml:"max_message" default:"30 MB" min:"64 KB" max:"1 GB"`     // largest message that is taken
	MaxConnections int      `toml:"max_connections" default:"200" min:"1" max:"100000"`     // in all
	MaxPerAddress  int      `toml:"max_per_address" default:"20" min:"1" max:"100000"`      // for one peer address
}

// OutgoingConfig is the smarthost that outgoing mail is handed to.
type OutgoingConfig struct {
	Host        string   `toml:"host" need:"yes"`          // name or address of the server
	Port        int      `toml:"port" min:"1" max:"65535"` // default 587, or 465 with implicit TLS
	Login                // username, password_file, …
	Connections int      `toml:"connections" default:"4" min:"1" max:"100"`      // at the same time
	GiveUp      Duration `toml:"give_up" default:"5d" min:"1h" max:"30d"`        // after so long a mail that can't be delivered has failed, and its agent is told
	DailyLimit  int      `toml:"daily_limit" default:"0" min:"0" max:"10000000"` // mails in 24 hours; 0: no limit
}

// SmarthostConfig is a further server, or a further account at one, that the mail
// of the topics that name it is handed to, with a limit of its own.
type SmarthostConfig struct {
	Name string `toml:"name" need:"yes"` // unique among these and the IMAP accounts
	OutgoingConfig
}

// Login is how to reach and log in to a server. Secrets come from a file or
// from the environment, never from this file.
type Login struct {
	TLS          string `toml:"tls" one:"implicit starttls plain"`            // implicit, starttls, plain (loopback only); default implicit for IMAP, starttls for SMTP
	CA           string `toml:"ca" kind:"path"`                               // PEM file with the authorities to trust, instead of the system's
	Auth         string `toml:"auth" one:"password xoauth2 oauthbearer none"` // password, xoauth2, oauthbearer, none; default password, or none without username
	Username     string `toml:"username"`                                     // none: no login
	PasswordFile string `toml:"password_file" kind:"secretpath"`              // file that holds the password alone
	PasswordEnv  string `toml:"password_env" kind:"secret"`                   // environment variable that holds it
	OAuth        string `toml:"oauth"`                                        // name of an [oauth.NAME] section
}

// OAuthConfig is a grant to log in with (RFC 6749, RFC 7523).
type OAuthConfig struct {
	TokenURL         string   `toml:"token_url"`                            // required, unless a service account file names it
	ClientID         string   `toml:"client_id"`                            // the application, as the provider knows it
	ClientSecretFile string   `toml:"client_secret_file" kind:"secretpath"` // file that holds the secret alone
	ClientSecretEnv  string   `toml:"client_secret_env" kind:"secret"`      // environment variable that holds it
	RefreshTokenFile string   `toml:"refresh_token_file" kind:"secretpath"` // for a refreshed token
	RefreshTokenEnv  string   `toml:"refresh_token_env" kind:"secret"`      // environment variable that holds it
	ServiceAccount   string   `toml:"service_account" kind:"secretpath"`    // JSON key file, for a signed assertion
	Subject          string   `toml:"subject"`                              // whom the service account acts for; default: the username
	Scopes           []string `toml:"scopes"`                               // what is asked for
}

// AccountConfig is an IMAP account that mail is taken from.
type AccountConfig struct {
	Name string `toml:"name" need:"yes"`          // unique
	Host string `toml:"host" need:"yes"`          // name or address of the server
	Port int    `toml:"port" min:"1" max:"65535"` // default 993, or 143 without implicit TLS
	Login
	Folders      []string `toml:"folders" default:"INBOX"`                     // that mail is taken from
	Spam         string   `toml:"spam"`                                        // folder that the server puts junk into: a count of what comes into it is mailed once a day, see [spam], and nothing in it is taken or answered; default: none
	Sent         string   `toml:"sent"`                                        // folder in which people's own answers from this mailbox are looked for; default: none
	Poll         Duration `toml:"poll" default:"1m" min:"5s" max:"1d"`         // how often to look when IDLE is not there
	Idle         bool     `toml:"idle" default:"true"`                         // whether to let the server tell of new mail (RFC 2177)
	After        string   `toml:"after" default:"leave" one:"move flag leave"` // move, flag, leave
	MoveTo       string   `toml:"move_to"`                                     // folder, with after = "move"
	Flag         string   `toml:"flag"`                                        // with after = "flag"; default \Seen
	Backlog      bool     `toml:"backlog"`                                     // first run: also take the mail that is there already; default false
	AuthservID   string   `toml:"authserv_id"`                                 // whose Authentication-Results to believe; "topmost" for servers that write none
	DefaultTopic string   `toml:"default_topic"`                               // for mail whose recipients name no topic; default: the catch-all
}

// TopicConfig is a help topic.
type TopicConfig struct {
	ID           string   `toml:"id" need:"yes"`                                                      // unique
	Name         string   `toml:"name" need:"yes"`                                                    // what requesters see, in Spanish
	NameEN       string   `toml:"name_en"`                                                            // default: name
	Addresses    []string `toml:"addresses" need:"yes"`                                               // the first one is the sender of its mail; *@domain takes all others of a domain
	Groups       []string `toml:"groups"`                                                             // addresses of mailing groups whose mail belongs to it
	Agent        string   `toml:"agent"`                                                              // who gets its tickets; agent or team is required, here or in the parent
	Team         string   `toml:"team"`                                                               // instead of agent: all of its members are told
	SLA          string   `toml:"sla"`                                                                // id; default: reply_within
	ReplyWithin  Duration `toml:"reply_within" default:"2d"`                                          // when an answer is overdue, on the wall clock; 0: never
	Petition     bool     `toml:"petition"`                                                           // formal petitions, which are never closed automatically
	Form         string   `toml:"form"`                                                               // id of the form that its requesters fill in; default: none
	Language     string   `toml:"language" one:"es en"`                                               // default: the desk's
	Autoresponse bool     `toml:"autoresponse" default:"true"`                                        // send confirmations
	Signature    string   `toml:"signature" kind:"text"`                                              // under answers
	Smarthost    string   `toml:"smarthost"`                                                          // name of the [[smarthost]] that its mail goes to; default: [outgoing]
	Retention    Duration `toml:"retention" max:"36500d"`                                             // how long after it was closed a ticket is kept; 0: for ever; default: retention.keep
	CatchAll     bool     `toml:"catch_all"`                                                          // takes what no address matches; exactly one topic has it
	Strategy     string   `toml:"strategy" default:"fixed" one:"fixed|round robin|least open|sticky"` // who of the team gets a ticket; fixed: the whole team
	Priority     string   `toml:"priority" default:"normal" one:"low normal high urgent"`             // of its tickets
	Public       bool     `toml:"public" default:"true"`                                              // whether requesters are told of its address
	Parent       string   `toml:"parent"`                                                             // id of the topic that it is a part of, from which it takes what it does not say itself
	MayAssign    string   `toml:"may_assign" one:"agent lead administrator"`                          // for this topic, instead of what permissions says
	MayTransfer  string   `toml:"may_transfer" one:"agent lead administrator"`                        // likewise
	MayMerge     string   `toml:"may_merge" one:"agent lead administrator"`                           // likewise
	MayDelete    string   `toml:"may_delete" one:"agent lead administrator"`                          // likewise
	MaySee       string   `toml:"may_see" one:"agent lead administrator"`                             // likewise
}

// AgentConfig is someone who answers.
type AgentConfig struct {
	ID        string   `toml:"id" need:"yes"`                                       // unique among agents and teams
	Name      string   `toml:"name" need:"yes"`                                     // shown to requesters
	Addresses []string `toml:"addresses" need:"yes"`                                // the first one is written to, mail from any is theirs
	SendsAs   []string `toml:"sends_as"`                                            // topic addresses that their mail may come from
	Language  string   `toml:"language" one:"es en"`                                // default: the desk's
	Role      string   `toml:"role" default:"agent" one:"agent lead administrator"` // agent, lead, administrator; operators are administrators
	Digest    bool     `toml:"digest" default:"true"`                               // gets the daily digest, if there is one
	Notify    string   `toml:"notify" default:"each" one:"each digest mentions"`    // each; digest: news only in the daily digest; mentions: only what is theirs by name
	Calendar  string   `toml:"calendar"`                                            // id, of their own working hours
	Away      []string `toml:"away"`                                                // dates, both included: "2026-12-20..2027-01-10", or one
}

// PermissionsConfig is which role an agent needs for what in the topics that they
// staff; administrators may do everything everywhere. A topic can say otherwise.
type PermissionsConfig struct {
	MayAssign   string `toml:"may_assign" default:"agent" one:"agent lead administrator"`   // assign, refer, change the requester
	MayTransfer string `toml:"may_transfer" default:"agent" one:"agent lead administrator"` // to another topic
	MayMerge    string `toml:"may_merge" default:"agent" one:"agent lead administrator"`    // merge and split
	MayDelete   string `toml:"may_delete" default:"lead" one:"agent lead administrator"`    // delete
	MaySee      string `toml:"may_see" default:"agent" one:"agent lead administrator"`      // see tickets that others have, and search
}

// CannedConfig is an answer that agents send with /plantilla. In its text {name},
// {number}, {subject}, {topic} and {agent} stand for what they say.
type CannedConfig struct {
	ID     string   `toml:"id" need:"yes"`               // unique
	Name   string   `toml:"name" need:"yes"`             // found by any of its words
	Text   string   `toml:"text" need:"yes" kind:"text"` // in the desk's language
	TextEN string   `toml:"text_en" kind:"text"`         // for those who are written to in English; default: text
	Topics []string `toml:"topics"`                      // topic ids; default: all
}

// FormConfig is what the agents of a topic want to know of a request. It is read
// from lines of the mail such as "Role: student"; what is missing is asked for
// once, in the confirmation.
type FormConfig struct {
	ID     string            `toml:"id" need:"yes"` // unique
	Fields []FormFieldConfig `toml:"field"`         // in the order in which they are asked for; at least one
}

// FormFieldConfig is one thing that a form asks for.
type FormFieldConfig struct {
	ID        string     `toml:"id" need:"yes"`           // unique in the form; forms that share an id mean the same by it
	Name      string     `toml:"name" need:"yes"`         // in Spanish
	NameEN    string     `toml:"name_en"`                 // default: name
	Also      []string   `toml:"also"`                    // what else people call it
	One       [][]string `toml:"one"`                     // the values that it may have: what is recorded, what it is in English, other spellings; default: any text
	Required  bool       `toml:"required"`                // asked for when it is missing
	Sensitive bool       `toml:"sensitive"`               // stays out of notifications and logs
	Remember  bool       `toml:"remember" default:"true"` // taken from the sender's earlier tickets
	ByDomain  [][]string `toml:"by_domain"`               // pairs of a sender's domain, subdomains included, and the value that it gives
}

// RuleConfig is what to do with messages for which a condition holds. At least one
// action is required. The first rule that holds is the last one, unless it says
// continue; of several that do, the later one counts, and lists add up.
type RuleConfig struct {
	Name         string   `toml:"name" need:"yes"`                           // unique; in logs and in buzon route --explain
	On           string   `toml:"on" default:"new" one:"new reply any"`      // new requests, replies of the requester's side, or both
	If           string   `toml:"if" need:"yes" kind:"text"`                 // the condition
	Topic        string   `toml:"topic"`                                     // id of the topic that it goes to
	Assign       string   `toml:"assign"`                                    // id of an agent or a team, or nobody
	Priority     string   `toml:"priority" one:"low normal high urgent"`     // of the ticket
	Labels       []string `toml:"labels"`                                    // that the ticket gets
	SLA          string   `toml:"sla"`                                       // id of the service level
	Status       string   `toml:"status" one:"open waiting resolved closed"` // of the ticket
	Copy         []string `toml:"copy"`                                      // addresses, and ids of agents and teams, who take part from now on
	Forward      []string `toml:"forward"`                                   // addresses that the mail is sent on to, as an attachment
	Canned       string   `toml:"canned"`                                    // id of a canned answer that is sent instead of the confirmation
	MailTo       []string `toml:"mail_to"`                                   // addresses that are written to, with mail
	Mail         string   `toml:"mail"`                                      // id of the canned answer that they get
	Autoresponse bool     `toml:"autoresponse" default:"true"`               // false: no confirmation
	UseReplyTo   bool     `toml:"use_reply_to"`                              // the requester is who stands in Reply-To
	Hold         bool     `toml:"hold"`                                      // wait until an operator releases it
	Refuse       string   `toml:"refuse"`                                    // id of the canned answer that is sent; nobody is told
	Note         string   `toml:"note" kind:"text"`                          // stands in the ticket, for agents
	Spam         bool     `toml:"spam"`                                      // true: junk, closed silently; false: not junk, whatever a server has marked
	Continue     bool     `toml:"continue"`                                  // go on with the next rule
}

// ListsConfig says whose mail is never looked at, and whose always. Entries are
// addresses, or @domain.
type ListsConfig struct {
	Block []string `toml:"block"` // closed silently as junk
	Allow []string `toml:"allow"` // never junk, whatever marks it so; comes before block
}

// TeamConfig is a group of agents.
type TeamConfig struct {
	ID      string   `toml:"id" need:"yes"`      // unique among agents and teams
	Name    string   `toml:"name" need:"yes"`    // what people see
	Members []string `toml:"members" need:"yes"` // agent ids
}

// ReminderConfig is when overdue work is looked for.
type ReminderConfig struct {
	Scan     string   `toml:"scan" default:"*/5 * * * *"`         // cron line
	Warn     int      `toml:"warn" default:"75" min:"0" max:"99"` // percent of the time after which it is warned of; 0: never
	Repeat   Duration `toml:"repeat" default:"1d"`                // after the first reminder; 0: once only
	Max      int      `toml:"max" default:"3" min:"0" max:"1000"` // reminders for one due time, without the warning
	Escalate []string `toml:"escalate"`                           // lead, administrator: whom further reminders go to as well, in this order
	Quiet    bool     `toml:"quiet" default:"true"`               // only within working hours, where a calendar is known
}

// DigestConfig is a summary of what is open, mailed to each agent once a day.
type DigestConfig struct {
	At string `toml:"at"` // cron line; empty: none is sent
}

// SpamConfig is when the leads are mailed what has come into the spam folders of the
// accounts that name one: those of the account's default_topic, or of any topic where it
// has none; where there is no lead, the operators. Nothing is mailed where nothing came.
type SpamConfig struct {
	At string `toml:"at" default:"0 7 * * *"` // cron line; at most once a day
}

// CanaryConfig is a mail that the desk sends to itself, to see that mail leaves and
// comes in.
type CanaryConfig struct {
	At     string   `toml:"at"`                                     // cron line; empty: none is sent
	Topics []string `toml:"topics"`                                 // ids: one is sent to the first address of each; default: the catch-all
	Within Duration `toml:"within" default:"15m" min:"5s" max:"1d"` // one that is not back after this raises an alarm
}

// ReportConfig is figures that are mailed, as text and as CSV files: those of buzon
// report.
type ReportConfig struct {
	At    string   `toml:"at"`                                       // cron line; empty: none are mailed
	To    []string `toml:"to"`                                       // ids of agents and teams, and addresses; default: the operators
	Kinds []string `toml:"kinds"`                                    // of tickets, times, sla, backlog; default: all
	Since Duration `toml:"since" default:"30d" min:"1d" max:"3650d"` // of tickets that were opened in this time; the backlog has all
}

// BackupConfig is a backup that the desk makes by itself.
type BackupConfig struct {
	At     string `toml:"at"`                 // cron line; empty: none is made
	Folder string `toml:"folder" kind:"path"` // what buzon backup would be told; required with at
}

// RetentionConfig is when the desk erases by itself what it need not keep.
type RetentionConfig struct {
	At      string   `toml:"at"`                                // cron line; empty: nothing is ever erased by itself
	Keep    Duration `toml:"keep" default:"0" max:"36500d"`     // how long after it was closed a ticket is kept, with its mail; 0: for ever
	Deleted Duration `toml:"deleted" default:"30d" max:"3650d"` // how long after it was deleted
}

// WebConfig is the HTTP listener for health and metrics.
type WebConfig struct {
	Listen string `toml:"listen" default:"127.0.0.1:8025"` // loopback host:port; "off": none
}

// AlarmConfig is how operators are told of alarms besides by mail: when mail is
// what is broken, mail tells nobody. The addresses are secrets: they are often
// all that is needed to send to them.
type AlarmConfig struct {
	Command      []string `toml:"command"`                                        // program and its arguments, run for each alarm
	Webhook      string   `toml:"webhook" kind:"secret"`                          // URL that each alarm is posted to as JSON
	DeadMan      string   `toml:"dead_man" kind:"secret"`                         // URL that is fetched while nothing is wrong
	DeadManEvery Duration `toml:"dead_man_every" default:"5m" min:"10s" max:"1d"` // how often
	Repeat       Duration `toml:"repeat" default:"6h" min:"1m" max:"30d"`         // before the same alarm is told again
}

// LogConfig is the log on standard error.
type LogConfig struct {
	Level  string `toml:"level" default:"info" one:"debug info warn error"` // debug, info, warn, error
	Format string `toml:"format" default:"text" one:"text json"`            // text or json
}
