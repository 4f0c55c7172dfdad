// Package web is what the desk shows over HTTP: health and metrics, on a
// loopback address. Nothing here changes anything.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"buzon/desk"
	"buzon/ticket"
)

// Server serves /healthz and /metrics.
type Server struct {
	http *http.Server
	ln   net.Listener
}

// Listen binds address and serves until Close.
func Listen(address string, health http.Handler, m *Metrics, log *slog.Logger) (*Server, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for health and metrics ([web] listen): %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}))
	s := &Server{ln: ln, http: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}
	go func() {
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("health and metrics stopped", ticket.LogError, err)
		}
	}()
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Close waits for running requests until ctx ends.
func (s *Server) Close(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Report is the body of /healthz.
type Report struct {
	Healthy bool         `json:"healthy"`
	Alarms  []desk.Alarm `json:"alarms"`
	Full    bool         `json:"full"`
}

// Health answers 200 while nothing is wrong, and 503 with the alarms otherwise.
func Health(d *desk.Desk) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := Report{Alarms: d.Alarms(), Full: d.Store.Full()}
		r.Healthy = len(r.Alarms) == 0 && !r.Full
		w.Header().Set("Content-Type", "application/json")
		if !r.Healthy {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		json.NewEncoder(w).Encode(r)
	})
}
