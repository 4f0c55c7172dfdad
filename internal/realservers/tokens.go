package realservers

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Tokens is an authorization server: it turns refresh tokens into access tokens
// (RFC 6749, section 6) and tells Dovecot whose an access token is (RFC 7662).
type Tokens struct {
	// URL is the token endpoint.
	URL string

	introspectURL string
	mu            sync.Mutex
	refresh       map[string]string // refresh token to user
	access        map[string]string // access token to user
	granted       int
}

// StartTokens starts an authorization server for the length of a test.
func StartTokens(tb testing.TB) *Tokens {
	t := &Tokens{refresh: map[string]string{}, access: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", t.grant)
	mux.HandleFunc("GET /introspect", t.introspect)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	t.URL, t.introspectURL = server.URL+"/token", server.URL+"/introspect"
	return t
}

// Refresh makes a refresh token for a user.
func (t *Tokens) Refresh(user string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	token := rand.Text()
	t.refresh[token] = user
	return token
}

// Access makes an access token for a user, without the grant.
func (t *Tokens) Access(user string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	token := rand.Text()
	t.access[token] = user
	return token
}

// Revoke makes every token of a user invalid.
func (t *Tokens) Revoke(user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tokens := range []map[string]string{t.refresh, t.access} {
		for token, owner := range tokens {
			if owner == user {
				delete(tokens, token)
			}
		}
	}
}

// Granted returns how many access tokens were given for refresh tokens.
func (t *Tokens) Granted() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.granted
}

func (t *Tokens) grant(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	user, ok := t.refresh[r.PostFormValue("refresh_token")]
	t.mu.Unlock()
	if r.PostFormValue("grant_type") != "refresh_token" || !ok {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	token := t.Access(user)
	t.mu.Lock()
	t.granted++
	t.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

func (t *Tokens) introspect(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	user, ok := t.access[r.URL.Query().Get("token")]
	t.mu.Unlock()
	if !ok {
		answer(w, http.StatusUnauthorized, map[string]any{"active": false})
		return
	}
	answer(w, http.StatusOK, map[string]any{"active": true, "username": user})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
