package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buzon/mailpipe"
	"buzon/routing"
	"buzon/ticket"
)

// servers turns sections of the configuration into what mailpipe works with.
// Secrets are read when they are needed, so that a changed password file takes
// effect at the next connection.
type servers struct {
	config *routing.Config
	// secret reads a password from a file or the environment.
	secret func(file, env string) (string, error)
	tokens map[string]mailpipe.TokenSource // by OAuth section and user, shared
	log    *slog.Logger
}

func newServers(config *routing.Config, log *slog.Logger) *servers {
	return &servers{config: config, secret: routing.Secret, tokens: map[string]mailpipe.TokenSource{}, log: log}
}

func (s *servers) server(host string, port int, l routing.Login) (mailpipe.ServerConfig, error) {
	c := mailpipe.ServerConfig{
		Host: host, Port: port, TLS: l.TLS, Auth: l.Auth, Username: l.Username,
		Password: func() (string, error) { return s.secret(l.PasswordFile, l.PasswordEnv) },
	}
	if l.CA != "" {
		pem, err := os.ReadFile(l.CA)
		if err != nil {
			return c, fmt.Errorf("reading the authorities to trust: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("%s holds no certificate in PEM form", l.CA)
		}
	}
	if l.OAuth != "" {
		source, err := s.tokenSource(l.OAuth, l.Username)
		if err != nil {
			return c, err
		}
		c.Tokens = source
	}
	return c, nil
}

func (s *servers) tokenSource(name, username string) (mailpipe.TokenSource, error) {
	key := name + "\x00" + username
	if source, ok := s.tokens[key]; ok {
		return source, nil
	}
	o := s.config.OAuth[name]
	settings := mailpipe.OAuthSettings{TokenURL: o.TokenURL, ClientID: o.ClientID, Subject: o.Subject, Scopes: o.Scopes}
	if settings.Subject == "" {
		settings.Subject = username
	}
	var err error
	if o.ClientSecretFile != "" || o.ClientSecretEnv != "" {
		if settings.ClientSecret, err = s.secret(o.ClientSecretFile, o.ClientSecretEnv); err != nil {
			return nil, fmt.Errorf("[oauth.%s] client secret: %w", name, err)
		}
	}
	if o.RefreshTokenFile != "" || o.RefreshTokenEnv != "" {
		if settings.RefreshToken, err = s.secret(o.RefreshTokenFile, o.RefreshTokenEnv); err != nil {
			return nil, fmt.Errorf("[oauth.%s] refresh token: %w", name, err)
		}
	}
	if o.ServiceAccount != "" {
		text, err := s.secret(o.ServiceAccount, "")
		if err != nil {
			return nil, fmt.Errorf("[oauth.%s] service account: %w", name, err)
		}
		settings.ServiceAccountJSON = []byte(text)
	}
	settings.OnRotate = func(token string) { s.keepRotated(name, o.RefreshTokenFile, token) }
	source, err := mailpipe.NewTokenSource(settings)
	if err != nil {
		return nil, fmt.Errorf("[oauth.%s]: %w", name, err)
	}
	s.tokens[key] = source
	return source, nil
}

// keepRotated writes a refresh token that the server has replaced to the file that
// the old one came from, so that the next start finds it.
func (s *servers) keepRotated(name, file, token string) {
	err := errors.New("it came from the environment")
	if file != "" {
		err = replaceFile(file, token+"\n")
	}
	if err != nil {
		s.log.Warn("a new refresh token could not be kept; the old one may end", "oauth", name, ticket.LogError, err,
			ticket.LogHint, "let the desk write to refresh_token_file, or grant anew before the next start")
		return
	}
	s.log.Info("a new refresh token was kept", "oauth", name)
}

// replaceFile writes a file whole or not at all, readable by its owner only.
func replaceFile(name, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// mailboxes lists what to take mail from: one entry for each folder of an account.
func (s *servers) mailboxes(a routing.AccountConfig) ([]mailpipe.IMAPConfig, error) {
	server, err := s.server(a.Host, a.Port, a.Login)
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", a.Name, err)
	}
	var list []mailpipe.IMAPConfig
	for _, folder := range a.Folders {
		list = append(list, mailpipe.IMAPConfig{
			Account: a.Name, Server: server, Mailbox: folder, Poll: duration(a.Poll), Idle: a.Idle,
			After: a.After, MoveTo: a.MoveTo, Flag: a.Flag, Backlog: a.Backlog,
		})
	}
	if a.Sent != "" {
		list = append(list, mailpipe.IMAPConfig{Account: a.Name, Server: server, Mailbox: a.Sent, Poll: duration(a.Poll), Idle: a.Idle, After: "leave"})
	}
	return list, nil
}

// spamFolder is where the server of an account puts junk: it is only looked at.
func (s *servers) spamFolder(a routing.AccountConfig) (mailpipe.IMAPConfig, error) {
	server, err := s.server(a.Host, a.Port, a.Login)
	if err != nil {
		return mailpipe.IMAPConfig{}, fmt.Errorf("account %s: %w", a.Name, err)
	}
	return mailpipe.IMAPConfig{Account: a.Name, Server: server, Mailbox: a.Spam, After: "leave"}, nil
}

func (s *servers) smarthost(o routing.OutgoingConfig) (mailpipe.SenderConfig, error) {
	server, err := s.server(o.Host, o.Port, o.Login)
	if err != nil {
		return mailpipe.SenderConfig{}, err
	}
	return mailpipe.SenderConfig{
		Server: server, Hostname: s.config.Desk.Hostname, Connections: o.Connections, GiveUp: duration(o.GiveUp),
	}, nil
}

// checkOnline logs in everywhere and tests that each topic may be sent as. Each
// problem says what to fix.
func (s *servers) checkOnline(ctx context.Context, table *routing.Table, say func(what string, err error)) {
	for _, a := range s.config.Accounts {
		list, err := s.mailboxes(a)
		if err == nil && a.Spam != "" {
			var folder mailpipe.IMAPConfig
			folder, err = s.spamFolder(a)
			list = append(list, folder)
		}
		if err != nil {
			say("account "+a.Name, err)
			continue
		}
		for _, m := range list {
			say("account "+a.Name+", folder "+m.Mailbox, mailpipe.CheckAccount(ctx, m))
		}
	}
	s.checkSmarthost(ctx, table, "", s.config.Outgoing, say)
	for _, r := range s.config.Smarthosts {
		s.checkSmarthost(ctx, table, r.Name, r.OutgoingConfig, say)
	}
}

// checkSmarthost tests that the topics whose mail goes to a smarthost may be sent as.
func (s *servers) checkSmarthost(ctx context.Context, table *routing.Table, name string, o routing.OutgoingConfig, say func(what string, err error)) {
	config, err := s.smarthost(o)
	if err == nil {
		var senders []string
		for _, t := range table.Topics {
			if t.Smarthost == name {
				senders = append(senders, t.Sender())
			}
		}
		err = mailpipe.CheckSmarthost(ctx, config, senders)
	}
	say(strings.TrimSpace("smarthost "+name)+" "+o.Host, err)
}

func duration(d routing.Duration) time.Duration { return time.Duration(d) }
