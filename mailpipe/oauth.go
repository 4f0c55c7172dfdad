package mailpipe

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"
)

// ErrGrantDead means that an OAuth grant has ended or was never good: asking
// again is useless, only a person can repair it.
var ErrGrantDead = errors.New("the OAuth grant is no longer good")

// TokenSource gives access tokens for logging in.
type TokenSource interface {
	// Token returns an access token that is good now. An error that wraps
	// ErrGrantDead means that only a person can repair it; others are worth
	// another try later.
	Token(ctx context.Context) (string, error)
}

// OAuthSettings is a grant: either a refresh token (RFC 6749, section 6), or a
// service account that signs assertions (RFC 7523, section 2.1).
type OAuthSettings struct {
	TokenURL     string // may be left out when ServiceAccountJSON names it
	ClientID     string
	ClientSecret string // empty for a public client
	RefreshToken string

	ServiceAccountJSON []byte // key file as Google's console writes it
	Subject            string // the user whom the service account acts for
	Scopes             []string

	// HTTPClient asks for the tokens; nil: one with a limit of 30 seconds.
	HTTPClient *http.Client
	// OnRotate is told when the server replaced the refresh token. The new one
	// is kept in memory only, so it should warn, without writing the token to a
	// log: after a restart the old one may be refused. It must not block.
	OnRotate func(refreshToken string)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// NewTokenSource makes a TokenSource that keeps each access token until a minute
// before it expires. It is safe for concurrent use. It returns an error when the
// settings can't work; nothing is asked of the network yet.
func NewTokenSource(s OAuthSettings) (TokenSource, error) {
	g := &grant{client: s.HTTPClient, now: s.Now, slot: make(chan struct{}, 1)}
	if g.client == nil {
		g.client = &http.Client{Timeout: 30 * time.Second}
	}
	if g.now == nil {
		g.now = time.Now
	}
	var err error
	switch {
	case len(s.ServiceAccountJSON) > 0:
		err = g.useServiceAccount(s)
	case s.RefreshToken != "":
		err = g.useRefreshToken(s)
	case s.ClientSecret != "":
		err = g.useClientCredentials(s)
	default:
		err = errors.New("neither a refresh token nor a client secret nor a service account is given")
	}
	if err != nil {
		return nil, fmt.Errorf("setting up OAuth: %w", err)
	}
	return g, nil
}

// tokenMargin is how long before its expiry a token is no longer used.
const tokenMargin = time.Minute

// grant keeps the present token and fetches the next one.
type grant struct {
	client *http.Client
	now    func() time.Time
	fetch  func(ctx context.Context) (*oauth2.Token, error)
	doing  string // what fetch does, for errors
	hint   string // what to do when the grant is dead

	slot    chan struct{} // held while the fields below are used
	token   *oauth2.Token
	secrets []string // never to appear in errors
}

func (g *grant) useRefreshToken(s OAuthSettings) error {
	if s.ClientID == "" {
		return errors.New("client_id is missing")
	}
	host, err := tokenHost(s.TokenURL)
	if err != nil {
		return err
	}
	conf := &oauth2.Config{ClientID: s.ClientID, ClientSecret: s.ClientSecret, Scopes: s.Scopes,
		Endpoint: oauth2.Endpoint{TokenURL: s.TokenURL}}
	if s.ClientSecret == "" {
		conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	refresh := s.RefreshToken
	g.secrets = []string{s.ClientSecret, refresh}
	g.doing = "refreshing the access token at " + host
	g.hint = "grant access again in the account's browser, and put the new refresh token into refresh_token_file"
	g.fetch = func(ctx context.Context) (*oauth2.Token, error) {
		token, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
		if err == nil && token.RefreshToken != "" && token.RefreshToken != refresh {
			refresh = token.RefreshToken
			g.secrets = append(g.secrets, refresh)
			if s.OnRotate != nil {
				s.OnRotate(refresh)
			}
		}
		return token, err
	}
	return nil
}

// useClientCredentials logs in as the application itself (RFC 6749, section 4.4),
// which is how Microsoft 365 lets a service read mailboxes.
func (g *grant) useClientCredentials(s OAuthSettings) error {
	if s.ClientID == "" {
		return errors.New("client_id is missing")
	}
	host, err := tokenHost(s.TokenURL)
	if err != nil {
		return err
	}
	conf := &clientcredentials.Config{ClientID: s.ClientID, ClientSecret: s.ClientSecret, TokenURL: s.TokenURL, Scopes: s.Scopes}
	g.secrets = []string{s.ClientSecret}
	g.doing = "asking for an access token at " + host
	g.hint = "see whether the application's secret has expired and whether it may still read the mailbox; put a new secret into client_secret_file"
	g.fetch = conf.Token
	return nil
}

func (g *grant) useServiceAccount(s OAuthSettings) error {
	var key struct {
		Email    string `json:"client_email"`
		Key      string `json:"private_key"`
		KeyID    string `json:"private_key_id"`
		TokenURL string `json:"token_uri"`
	}
	if err := json.Unmarshal(s.ServiceAccountJSON, &key); err != nil {
		// The text of a JSON error can quote the file, which is a secret.
		return errors.New("the service account file is not JSON; download the key again as JSON")
	}
	if key.Email == "" || key.Key == "" {
		return errors.New("the service account file lacks client_email or private_key; download the key again as JSON")
	}
	if err := checkRSAKey(key.Key); err != nil {
		return err
	}
	if s.TokenURL != "" {
		key.TokenURL = s.TokenURL
	}
	host, err := tokenHost(key.TokenURL)
	if err != nil {
		return err
	}
	conf := &jwt.Config{Email: key.Email, PrivateKey: []byte(key.Key), PrivateKeyID: key.KeyID,
		Subject: s.Subject, Scopes: s.Scopes, TokenURL: key.TokenURL}
	g.doing = "getting an access token for the service account at " + host
	g.hint = "check that the service account still exists, may act for this user with these scopes (domain-wide delegation), and that this machine's clock is right"
	g.fetch = func(ctx context.Context) (*oauth2.Token, error) { return conf.TokenSource(ctx).Token() }
	return nil
}

func checkRSAKey(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("private_key in the service account file is not a PEM block")
	}
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return nil
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		return errors.New("private_key in the service account file is not an RSA key")
	}
	return nil
}

func tokenHost(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "https" && !(u.Scheme == "http" && isLoopbackHost(u.Hostname()))) {
		return "", fmt.Errorf("token_url %q is not an https address", raw)
	}
	return u.Host, nil
}

// Token returns the kept token while it is good, and fetches one otherwise.
func (g *grant) Token(ctx context.Context) (string, error) {
	select {
	case g.slot <- struct{}{}:
		defer func() { <-g.slot }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if g.token != nil && g.now().Before(g.token.Expiry.Add(-tokenMargin)) {
		return g.token.AccessToken, nil
	}
	g.token = nil
	token, err := g.fetch(context.WithValue(ctx, oauth2.HTTPClient, g.client))
	if err != nil {
		return "", g.explain(err)
	}
	if token.AccessToken == "" || strings.ContainsAny(token.AccessToken, "\x00\x01\r\n") {
		return "", &AccountError{Doing: g.doing, Err: errors.New("the answer holds no usable access token")}
	}
	if !token.Expiry.IsZero() { // one without expiry is asked for anew at each login
		g.token = token
	}
	return token.AccessToken, nil
}

// Forget drops the kept token, because a server refused it.
func (g *grant) Forget() {
	g.slot <- struct{}{}
	g.token = nil
	<-g.slot
}

// deadGrant lists the error codes that no second try can cure (RFC 6749, section
// 5.2; OpenID Connect Core, section 3.1.2.6).
var deadGrant = []string{"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "access_denied",
	"unsupported_grant_type", "interaction_required", "consent_required", "login_required"}

// explain turns a failure of fetch into an error without secrets. x/oauth2 puts
// the whole answer into its text, and an answer may quote what was asked.
func (g *grant) explain(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		var broken *url.Error // its text is the address and the cause
		if !errors.As(err, &broken) {
			return &AccountError{Doing: g.doing, Err: errors.New(peerText(hideSecrets(err.Error(), g.secrets...)))}
		}
		return &AccountError{Doing: g.doing, Err: broken, Hint: "check token_url and this machine's way to it"}
	}
	code, text := refused.ErrorCode, refused.ErrorDescription
	if code == "" {
		var body struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal(refused.Body, &body) == nil {
			code, text = body.Error, body.Description
		}
	}
	status := ""
	if refused.Response != nil {
		status = refused.Response.Status
	}
	reason := peerText(hideSecrets(strings.TrimSpace(status+" "+code+" "+text), g.secrets...))
	if slices.Contains(deadGrant, code) {
		return &AccountError{Doing: g.doing, Err: fmt.Errorf("%w: %s", ErrGrantDead, reason), Hint: g.hint, Permanent: true}
	}
	return &AccountError{Doing: g.doing, Err: errors.New(reason)}
}
