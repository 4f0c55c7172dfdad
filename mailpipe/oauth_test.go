package mailpipe

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// tokenServer is a token endpoint that remembers what it was asked.
type tokenServer struct {
	*httptest.Server
	mu     sync.Mutex
	forms  []url.Values
	answer func(form url.Values) (status int, body string)
}

func startTokenServer(t *testing.T, answer func(form url.Values) (int, string)) *tokenServer {
	s := &tokenServer{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forms = append(s.forms, r.Form)
		status, body := s.answer(r.Form)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(func() { s.Client().CloseIdleConnections(); s.Close() })
	return s
}

func (s *tokenServer) settings() OAuthSettings {
	return OAuthSettings{TokenURL: s.URL, ClientID: "id", RefreshToken: "refresh-1", HTTPClient: s.Client()}
}

func TestOAuthRefresh(t *testing.T) {
	noLeaks(t)
	n := 0
	server := startTokenServer(t, func(form url.Values) (int, string) {
		n++
		if want := fmt.Sprintf("refresh-%d", n); form.Get("refresh_token") != want || form.Get("grant_type") != "refresh_token" || form.Get("client_id") != "id" {
			t.Errorf("asked with %v, want %s", form, want)
		}
		return 200, fmt.Sprintf(`{"access_token":"access-%d","expires_in":3600,"refresh_token":"refresh-%d"}`, n, n+1)
	})
	settings := server.settings()
	var rotated []string
	settings.OnRotate = func(r string) { rotated = append(rotated, r) }
	now := time.Now()
	settings.Now = func() time.Time { return now }
	source, err := NewTokenSource(settings)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		if got, err := source.Token(t.Context()); got != want || err != nil {
			t.Errorf("token %q, %v, want %q", got, err, want)
		}
	}
	expect("access-1")
	expect("access-1") // kept
	now = now.Add(58 * time.Minute)
	expect("access-1")
	now = now.Add(90 * time.Second) // less than a minute before it expires
	expect("access-2")
	source.(forgetter).Forget()
	expect("access-3")
	if len(rotated) != 3 || rotated[2] != "refresh-4" {
		t.Errorf("rotated: %q", rotated)
	}
}

func TestOAuthClientCredentials(t *testing.T) {
	noLeaks(t)
	server := startTokenServer(t, func(form url.Values) (int, string) {
		if form.Get("grant_type") != "client_credentials" || form.Get("scope") != "mail" {
			t.Errorf("asked with %v", form)
		}
		return 200, `{"access_token": "app-token", "token_type": "Bearer", "expires_in": 3600}`
	})
	settings := server.settings()
	settings.RefreshToken, settings.ClientSecret, settings.Scopes = "", "client-secret", []string{"mail"}
	source, err := NewTokenSource(settings)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if token, err := source.Token(context.Background()); err != nil || token != "app-token" {
			t.Errorf("token %q, %v", token, err)
		}
	}
	if len(server.forms) != 1 {
		t.Errorf("%d requests for one token", len(server.forms))
	}
}

func TestOAuthErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		dead   bool
		want   string
	}{
		{"revoked", 400, `{"error":"invalid_grant","error_description":"Token refresh-1 has been expired or revoked."}`, true, "invalid_grant"},
		{"client gone", 401, `{"error":"invalid_client"}`, true, "invalid_client"},
		{"consent", 400, `{"error":"interaction_required"}`, true, "interaction_required"},
		{"busy", 503, `{"error":"temporarily_unavailable"}`, false, "503"},
		{"page", 502, `<html>geheim refresh-1</html>`, false, "502"},
		{"no token", 200, `{"expires_in":1}`, false, "access_token"},
		{"injection", 200, `{"access_token":"a\u0001b"}`, false, "no usable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			server := startTokenServer(t, func(url.Values) (int, string) { return c.status, c.body })
			settings := server.settings()
			settings.ClientSecret = "geheim"
			source, err := NewTokenSource(settings)
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Token(t.Context())
			if err == nil || errors.Is(err, ErrGrantDead) != c.dead || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want dead=%v with %q", err, c.dead, c.want)
			}
			var ae *AccountError
			if !errors.As(err, &ae) || ae.Permanent != c.dead || c.dead && ae.Hint == "" {
				t.Errorf("error %#v", ae)
			}
			for _, secret := range []string{"geheim", "refresh-1"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s is in the error: %v", secret, err)
				}
			}
		})
	}
}

func TestOAuthUnreachableAndCancelled(t *testing.T) {
	noLeaks(t)
	block := make(chan struct{})
	server := startTokenServer(t, func(url.Values) (int, string) { <-block; return 200, `{"access_token":"a"}` })
	source, err := NewTokenSource(server.settings())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Token(ctx); err == nil || errors.Is(err, ErrGrantDead) {
		t.Errorf("cancelled: %v", err)
	}
	close(block)
	server.Close()
	if _, err := source.Token(t.Context()); err == nil || errors.Is(err, ErrGrantDead) {
		t.Errorf("unreachable: %v", err)
	}
}

func serviceAccount(t *testing.T, tokenURL string) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "robot@project.example", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURL})
	if err != nil {
		t.Fatal(err)
	}
	return key, raw
}

func TestOAuthServiceAccount(t *testing.T) {
	noLeaks(t)
	var key *rsa.PrivateKey
	refuse := false
	server := startTokenServer(t, func(form url.Values) (int, string) {
		if refuse {
			return 400, `{"error":"invalid_grant","error_description":"Invalid email or User ID"}`
		}
		assertion := form.Get("assertion")
		parts := strings.Split(assertion, ".") // RFC 7515, section 7.1
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			t.Error(err)
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			t.Errorf("signature: %v", err)
		}
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Error(err)
		}
		var claims struct{ Iss, Sub, Scope, Aud string }
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Error(err)
		}
		if claims.Iss != "robot@project.example" || claims.Sub != "soporte@example.test" || claims.Scope != "https://mail.google.com/" || claims.Aud == "" {
			t.Errorf("claims %+v", claims)
		}
		return 200, `{"access_token":"access","expires_in":3600}`
	})
	key2, file := serviceAccount(t, server.URL)
	key = key2
	source, err := NewTokenSource(OAuthSettings{ServiceAccountJSON: file, Subject: "soporte@example.test",
		Scopes: []string{"https://mail.google.com/"}, HTTPClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := source.Token(t.Context()); got != "access" || err != nil {
			t.Errorf("token %q, %v", got, err)
		}
	}
	if len(server.forms) != 1 {
		t.Errorf("asked %d times for one token", len(server.forms))
	}
	refuse = true
	source.(forgetter).Forget()
	if _, err := source.Token(t.Context()); !errors.Is(err, ErrGrantDead) {
		t.Errorf("refused: %v", err)
	}
}

func TestOAuthSettingsErrors(t *testing.T) {
	_, file := serviceAccount(t, "https://oauth2.example/token")
	for _, c := range []struct {
		name string
		s    OAuthSettings
		want string
	}{
		{"nothing", OAuthSettings{TokenURL: "https://a/"}, "neither"},
		{"no client", OAuthSettings{TokenURL: "https://a/", RefreshToken: "r"}, "client_id"},
		{"plain http", OAuthSettings{TokenURL: "http://a/", RefreshToken: "r", ClientID: "c"}, "https"},
		{"not JSON", OAuthSettings{ServiceAccountJSON: []byte("geheim")}, "not JSON"},
		{"no key", OAuthSettings{ServiceAccountJSON: []byte(`{"client_email":"a"}`)}, "private_key"},
		{"bad key", OAuthSettings{ServiceAccountJSON: []byte(`{"client_email":"a","private_key":"geheim","token_uri":"https://a/"}`)}, "PEM"},
		{"good", OAuthSettings{ServiceAccountJSON: file}, ""},
	} {
		_, err := NewTokenSource(c.s)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim")) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
