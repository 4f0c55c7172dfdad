package mailpipe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/emersion/go-sasl"
)

// The values of ServerConfig.Auth.
const (
	authPassword    = "password"
	authXOAuth2     = "xoauth2"
	authOAuthBearer = "oauthbearer"
	authNone        = "none"
)

// xoauth2 is the client side of the XOAUTH2 mechanism, which Google and
// Microsoft document; there is no RFC.
type xoauth2 struct{ username, token string }

func (x *xoauth2) Start() (mech string, ir []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.username + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next is called only when the server refuses: the challenge is its reason, in
// JSON. The mechanism wants an empty answer, which go-imap would send as "=",
// and which Dovecot answers with BAD; so the exchange ends here, and the
// connection must be dropped.
func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	return nil, &saslRefusal{mech: "XOAUTH2", reason: peerText(string(challenge))}
}

// oauthBearer is OAUTHBEARER (RFC 7628), with a refusal told like XOAUTH2's.
type oauthBearer struct{ sasl.Client }

func (oauthBearer) Next(challenge []byte) ([]byte, error) {
	return nil, &saslRefusal{mech: "OAUTHBEARER", reason: peerText(string(challenge))}
}

// saslRefusal is a refusal that the server gave inside the exchange.
type saslRefusal struct{ mech, reason string }

func (e *saslRefusal) Error() string { return e.mech + " refused: " + e.reason }

// auth is the method to log in with, defaults applied.
func (s *ServerConfig) auth() string {
	switch {
	case s.Auth != "":
		return s.Auth
	case s.Username == "":
		return authNone
	}
	return authPassword
}

// credentials makes the client side of the login, and returns the secret in it,
// so that it can be kept out of errors. A password is read, and an access token
// asked for, at each call, so that a changed password file is noticed. The
// client is nil for Auth "none".
func (s *ServerConfig) credentials(ctx context.Context) (client sasl.Client, secret string, err error) {
	switch s.auth() {
	case authNone:
		return nil, "", nil
	case authPassword:
		if s.Password == nil {
			return nil, "", &AccountError{Doing: "reading the password", Err: errors.New("none is configured"),
				Hint: "set password_file or password_env for this account", Permanent: true}
		}
		secret, err = s.Password()
		if err == nil && (secret == "" || strings.ContainsRune(secret, 0)) {
			err = errors.New("it is empty or has a NUL character in it")
		}
		if err != nil {
			return nil, "", &AccountError{Doing: "reading the password", Err: err,
				Hint: "check the account's password_file or password_env, and that buzon may read it", Permanent: true}
		}
		return sasl.NewPlainClient("", s.Username, secret), secret, nil
	case authXOAuth2, authOAuthBearer:
		if s.Tokens == nil {
			return nil, "", &AccountError{Doing: "getting an access token", Err: errors.New("no OAuth grant is configured"),
				Hint: "name an [oauth.NAME] section in the account's oauth key", Permanent: true}
		}
		secret, err = s.Tokens.Token(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("getting an access token for %s: %w", s.Username, err)
		}
		if s.Auth == authXOAuth2 {
			return &xoauth2{s.Username, secret}, secret, nil
		}
		return oauthBearer{sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
			Username: s.Username, Token: secret, Host: s.Host, Port: s.Port,
		})}, secret, nil
	}
	return nil, "", &AccountError{Doing: "choosing how to log in", Err: fmt.Errorf("auth = %q is not known", s.Auth),
		Hint: "use password, xoauth2, oauthbearer or none", Permanent: true}
}

// forgetter is a TokenSource that can be told that its token was refused.
type forgetter interface{ Forget() }

// peerText makes foreign text fit for a log: one line, printable, at most 300
// octets.
func peerText(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	const limit = 300
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.TrimSpace(s)
}

// hideSecrets takes secrets out of text that comes from a peer: a server may quote in
// its refusal what it was sent.
func hideSecrets(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[hidden]")
		}
	}
	return s
}
