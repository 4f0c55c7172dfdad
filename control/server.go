package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"buzon/ticket"
)

// maxRequest bounds a request's body, in octets.
const maxRequest = 1 << 20

// Server answers on the control socket.
type Server struct {
	http *http.Server
	ln   net.Listener
}

// Listen opens the socket in the data folder and serves. The caller holds the
// data folder's lock, so a socket that is there already is a dead desk's.
func Listen(data string, s *Service, log *slog.Logger) (*Server, error) {
	path := SocketPath(data)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the old control socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("closing the control socket to others: %w", err)
	}
	srv := &Server{ln: ln, http: &http.Server{Handler: handler(s, log), ReadHeaderTimeout: 10 * time.Second}}
	go func() {
		if err := srv.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket closed", ticket.LogError, err)
		}
	}()
	return srv, nil
}

// Close waits for running operations until ctx ends.
func (s *Server) Close(ctx context.Context) error { return s.http.Shutdown(ctx) }

func handler(s *Service, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{operation}", func(w http.ResponseWriter, r *http.Request) {
		name := strings.ReplaceAll(r.PathValue("operation"), "-", " ")
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		var answer any
		if err == nil {
			answer, err = s.run(r.Context(), name, body)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			var refusal *Error
			if !errors.As(err, &refusal) {
				refusal = &Error{Message: err.Error()}
			}
			log.Debug("operation refused", "operation", name, ticket.LogReason, refusal.Message)
			w.WriteHeader(http.StatusUnprocessableEntity)
			answer = refusal
		}
		json.NewEncoder(w).Encode(answer)
	})
	return mux
}

// client calls a running desk.
type client struct{ http *http.Client }

// ErrNotRunning: nothing answers on the control socket.
var ErrNotRunning = errors.New("no desk is running")

// Dial returns a Caller for the desk that runs on a data folder, or ErrNotRunning.
func Dial(data string) (Caller, error) {
	path := SocketPath(data)
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("the desk that runs on %s belongs to another user; become that user or root: %w", data, err)
		}
		return nil, ErrNotRunning
	}
	conn.Close()
	return &client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}}, nil
}

// Call sends the operation to the desk.
func (c *client) Call(ctx context.Context, name string, in, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	target := "http://buzon/v1/" + url.PathEscape(strings.ReplaceAll(name, " ", "-"))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the running desk: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		refusal := &Error{}
		if err := json.NewDecoder(res.Body).Decode(refusal); err != nil || refusal.Message == "" {
			return fmt.Errorf("asking the running desk: %s", res.Status)
		}
		return refusal
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the running desk's answer: %w", err)
	}
	return nil
}
