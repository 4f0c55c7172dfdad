package routing

import (
	"fmt"
	"slices"
	"strings"

	"buzon/ticket"
)

func (c *checker) outgoing() {
	c.smarthost("outgoing", &c.Outgoing)
	for i := range c.Smarthosts {
		relay := &c.Smarthosts[i]
		path := elementPath("smarthost", i)
		name := childPath(path, "name")
		c.accountName(name, relay.Name)
		if c.set(name) {
			c.smarthosts[relay.Name] = true
		} else {
			c.unsure["smarthost"] = true
		}
		c.smarthost(path, &relay.OutgoingConfig)
	}
}

func (c *checker) smarthost(path string, o *OutgoingConfig) {
	key := func(name string) string { return childPath(path, name) }
	c.host(key("host"), o.Host)
	if l := &o.Login; l.Auth == "" && l.Username == "" {
		l.Auth = "none" // it may know us by address
	}
	c.login(path, &o.Login, o.Host, "starttls")
	if !c.set(key("port")) {
		o.Port = 587
		if o.TLS == "implicit" {
			o.Port = 465
		}
	}
}

func (c *checker) host(path, host string) {
	if c.set(path) && !isHost(host) {
		c.rejectf(path, `write it like "mail.example.org", with the port apart`, "%q is not a host", host)
	}
}

// login checks how a server is reached, and fills in the defaults that depend on
// other keys. An IMAP account has to log in; a smarthost may know us by address.
func (c *checker) login(path string, l *Login, host, tls string) {
	key := func(name string) string { return childPath(path, name) }
	if l.TLS == "" {
		l.TLS = tls
	}
	if l.TLS == "plain" && !isLoopback(host) && c.set(path+".host") {
		c.rejectf(key("tls"), `use "implicit" or "starttls"`,
			"would send passwords and mail unencrypted; only this machine itself may be reached so")
	}
	if l.TLS == "plain" && l.CA != "" {
		c.rejectf(key("ca"), "", `has no effect with tls = "plain"`)
	}
	if l.Auth == "" {
		l.Auth = "password"
	}
	if c.bad(key("auth")) || c.bad(key("username")) {
		return
	}
	if l.Auth == "none" {
		if strings.HasPrefix(path, "account[") {
			c.rejectf(key("auth"), "", "an IMAP account has to log in")
			return
		}
		for name, value := range map[string]string{"username": l.Username, "oauth": l.OAuth,
			"password_file": l.PasswordFile, "password_env": l.PasswordEnv} {
			if value != "" && l.Username != "" {
				c.rejectf(key(name), "", `has no effect with auth = "none"`)
			} else if value != "" {
				c.rejectf(key(name), "", "has no effect without username")
			}
		}
		return
	}
	if l.Username == "" {
		c.rejectf(key("username"), `write username = "…"`, "is missing: auth = %q needs it", l.Auth)
	}
	if l.Auth == "password" {
		c.secret(path, "password", l.PasswordFile, l.PasswordEnv, `auth = "password" needs it`)
		if l.OAuth != "" && !c.bad(key("oauth")) {
			c.rejectf(key("oauth"), `write auth = "xoauth2" or "oauthbearer"`, `has no effect with auth = "password"`)
		}
		return
	}
	for name, value := range map[string]string{"password_file": l.PasswordFile, "password_env": l.PasswordEnv} {
		if value != "" {
			c.rejectf(key(name), "", "has no effect with auth = %q", l.Auth)
		}
	}
	c.grant(key("oauth"), l)
}

// grant checks the reference to an [oauth.NAME] table.
func (c *checker) grant(path string, l *Login) {
	var names []string
	for name := range c.OAuth {
		names = append(names, name)
	}
	switch {
	case c.bad(path) || c.guessed("oauth"):
	case l.OAuth == "":
		c.rejectf(path, "write oauth = \"NAME\" and a table [oauth.NAME]", "is missing: auth = %q needs it", l.Auth)
	case !slices.Contains(names, l.OAuth):
		c.rejectf(path, suggest(l.OAuth, "names", names), "there is no [oauth.%s]", l.OAuth)
	}
}

// secret checks the two ways of saying where a secret is. Both at once is one
// too many; none is a mistake when something needs it. Their values are not
// repeated in messages: people paste the secret itself.
func (c *checker) secret(table, name, file, env, neededBy string) {
	fileKey, envKey := childPath(table, name+"_file"), childPath(table, name+"_env")
	switch {
	case c.bad(fileKey) || c.bad(envKey):
	case file != "" && env != "":
		c.rejectf(envKey, "keep one of them", "%s_file is set too", name)
	case env != "" && !isVariable(env):
		c.rejectf(envKey, "write the name of a variable, not the secret", "is not the name of an environment variable")
	case file == "" && env == "" && neededBy != "":
		c.rejectf(fileKey, fmt.Sprintf("write %s_file or %s_env", name, name), "is missing: %s", neededBy)
	}
}

func (c *checker) oauths() {
	used := map[string]bool{c.Outgoing.OAuth: true}
	for _, r := range c.Smarthosts {
		used[r.OAuth] = true
	}
	for _, a := range c.Accounts {
		used[a.OAuth] = true
	}
	for name, o := range c.OAuth {
		path := childPath("oauth", name)
		key := func(k string) string { return childPath(path, k) }
		if c.set(key("token_url")) {
			if mistake := tokenURLMistake(o.TokenURL); mistake != "" {
				c.rejectf(key("token_url"), `write it like "https://login.example.org/oauth2/token"`, "%s", mistake)
			}
		}
		if !used[name] {
			c.warnf(path, "", "no account logs in with it")
		}
		refresh := o.RefreshTokenFile != "" || o.RefreshTokenEnv != "" ||
			c.bad(key("refresh_token_file")) || c.bad(key("refresh_token_env"))
		if o.ServiceAccount != "" || c.bad(key("service_account")) {
			if refresh {
				c.rejectf(key("service_account"), "keep one of them", "a refresh token is set too")
			}
			continue
		}
		for k, value := range map[string]string{"token_url": o.TokenURL, "client_id": o.ClientID} {
			if value == "" && !c.bad(key(k)) {
				c.rejectf(key(k), "write "+k+` = "…", or service_account`, "is missing")
			}
		}
		if o.Subject != "" && !c.bad(key("subject")) {
			c.rejectf(key("subject"), "", "has no effect without service_account")
		}
		needed := "without a refresh token or a service account there is nothing to log in with"
		if refresh {
			needed = ""
		}
		c.secret(path, "client_secret", o.ClientSecretFile, o.ClientSecretEnv, needed)
		c.secret(path, "refresh_token", o.RefreshTokenFile, o.RefreshTokenEnv, "")
	}
}

func (c *checker) accounts() {
	mailboxes := map[string]string{}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		path := elementPath("account", i)
		key := func(k string) string { return childPath(path, k) }
		c.accountName(key("name"), a.Name)
		c.host(key("host"), a.Host)
		c.login(path, &a.Login, a.Host, "implicit")
		if !c.set(key("port")) {
			a.Port = 143
			if a.TLS == "implicit" {
				a.Port = 993
			}
		}
		if addressMistake(a.Username) == "" {
			c.own[ticket.AddressKey(a.Username)] = fmt.Sprintf("the username of account %q", a.Name)
		}
		c.folders(path, a, mailboxes)
		c.after(path, a)
		if a.DefaultTopic != "" {
			c.refers(key("default_topic"), a.DefaultTopic, "topic", c.topics)
		}
		if strings.ContainsAny(a.AuthservID, " \t;") {
			c.rejectf(key("authserv_id"), "write the first word of its Authentication-Results headers", "%q is not one word", a.AuthservID)
		}
		if a.AuthservID == "" && !c.bad(key("authserv_id")) {
			c.warnf(key("authserv_id"), `name the server that writes Authentication-Results, or "topmost"`,
				"is empty: agents' mail can't be authenticated, so their power is only as safe as the tokens they were sent")
		}
	}
}

// accountName checks the name of an IMAP account or a smarthost. They share their
// names, because either can be paused by it.
func (c *checker) accountName(path, name string) {
	if !c.set(path) {
		return
	}
	first, doubled := c.accountNames[name]
	c.accountNames[name] = c.valueOffset(path)
	switch {
	case idMistake(name) != "":
		c.rejectf(path, "", "%q %s", name, idMistake(name))
	case name == "smtp" || name == "lmtp":
		c.rejectf(path, "", "%q is what the listener is called", name)
	case name == "outgoing":
		c.rejectf(path, "", "%q is what all outgoing mail is called", name)
	case doubled:
		line, _ := c.position(first)
		c.rejectf(path, "", "%q is taken in line %d already", name, line)
	}
}

// folders makes sure that no mailbox is read twice: by two accounts, or by one
// that moves its mail into a folder that it reads.
func (c *checker) folders(path string, a *AccountConfig, seen map[string]string) {
	list := path + ".folders"
	c.distinct(list, a.Folders)
	if c.set(list) && len(a.Folders) == 0 {
		c.rejectf(list, `write folders = ["INBOX"]`, "must not be empty")
	}
	for i, folder := range a.Folders {
		at := elementPath(list, i)
		if folder == "" && c.set(at) {
			c.rejectf(at, "", "must not be empty")
		}
		mailbox := fmt.Sprintf("%s\x00%d\x00%s\x00%s", strings.ToLower(a.Host), a.Port, a.Username, folder)
		if first, ok := seen[mailbox]; ok && first != path && a.Host != "" && a.Username != "" {
			if !c.set(at) {
				at = path + ".username"
			}
			c.rejectf(at, "", "folder %q of %s is read by %s too", folder, a.Username, first)
		}
		seen[mailbox] = path
	}
	taken := func(folder string) bool {
		return sameFolder(folder, a.MoveTo) || slices.ContainsFunc(a.Folders, func(f string) bool { return sameFolder(f, folder) })
	}
	if a.Sent != "" && !c.bad(path+".sent") && taken(a.Sent) {
		c.rejectf(path+".sent", "name the folder that mail programs put sent mail into", "%q is a folder that mail is taken from or moved to", a.Sent)
	}
	if a.Spam == "" || c.bad(path+".spam") {
		return
	}
	const hint = "name the folder that the server puts junk into"
	if taken(a.Spam) {
		c.rejectf(path+".spam", hint, "%q is a folder that mail is taken from or moved to", a.Spam)
	} else if sameFolder(a.Spam, a.Sent) {
		c.rejectf(path+".spam", hint, "%q is the folder of sent mail", a.Spam)
	}
}

func (c *checker) after(path string, a *AccountConfig) {
	moveTo, flag := path+".move_to", path+".flag"
	if c.bad(path+".after") || c.bad(moveTo) || c.bad(flag) {
		return
	}
	switch {
	case a.After == "move" && a.MoveTo == "":
		c.rejectf(moveTo, `write move_to = "Procesados"`, `is missing: after = "move" needs it`)
	case a.After != "move" && a.MoveTo != "":
		c.rejectf(moveTo, `write after = "move"`, "has no effect with after = %q", a.After)
	case a.MoveTo != "" && slices.ContainsFunc(a.Folders, func(f string) bool { return sameFolder(f, a.MoveTo) }):
		c.rejectf(moveTo, "", "%q is among the folders that mail is taken from", a.MoveTo)
	}
	switch {
	case a.After == "flag" && a.Flag == "":
		a.Flag = `\Seen`
	case a.After != "flag" && a.Flag != "":
		c.rejectf(flag, `write after = "flag"`, "has no effect with after = %q", a.After)
	case a.Flag != "" && !isFlag(a.Flag):
		c.rejectf(flag, `use '\Seen', '\Flagged', '\Answered' or a word`, "%q is not a flag that can be set", a.Flag)
	}
}

// sameFolder compares names of mailboxes: INBOX is the same in any case, others
// are not (RFC 9051, section 5.1).
func sameFolder(a, b string) bool {
	return a == b || strings.EqualFold(a, "INBOX") && strings.EqualFold(b, "INBOX")
}
