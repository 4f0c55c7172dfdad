package mailpipe

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"buzon/ticket"
)

// CertificateReloader serves a certificate from two PEM files and reads them
// again when they have changed, so that a renewed certificate needs no restart.
// While the files don't fit each other, as in the middle of a renewal, it keeps
// serving what it has.
type CertificateReloader struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	loaded  [2]fs.FileInfo // the files that current came from
	failed  string         // what was logged last, so that it is said once
}

// NewCertificateReloader reads a certificate chain and its key.
func NewCertificateReloader(certFile, keyFile string, log *slog.Logger) (*CertificateReloader, error) {
	r := &CertificateReloader{certFile: certFile, keyFile: keyFile, log: log}
	files, err := r.stat()
	if err == nil {
		err = r.load(files)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the TLS certificate: %w; check the paths, that buzon may read both files, and that the key belongs to the certificate", err)
	}
	return r, nil
}

// TLSConfig is a server's configuration: TLS 1.2 or later, and always the
// newest certificate.
func (r *CertificateReloader) TLSConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: r.get}
}

// Leaf is the certificate that is being served, for those who watch its expiry.
func (r *CertificateReloader) Leaf() *x509.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current.Leaf
}

func (r *CertificateReloader) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	files, err := r.stat()
	if err == nil && !sameFiles(files, r.loaded) {
		err = r.load(files)
	}
	if err != nil && err.Error() != r.failed {
		r.failed = err.Error()
		r.log.Error("keeping the old TLS certificate", ticket.LogError, err)
	}
	return r.current, nil
}

func (r *CertificateReloader) stat() (files [2]fs.FileInfo, err error) {
	for i, name := range []string{r.certFile, r.keyFile} {
		if files[i], err = os.Stat(name); err != nil {
			return files, err
		}
	}
	return files, nil
}

func (r *CertificateReloader) load(files [2]fs.FileInfo) error {
	cert, err := tls.LoadX509KeyPair(r.certFile, r.keyFile)
	if err != nil {
		return err
	}
	if r.current != nil {
		r.log.Info("TLS certificate read again", "expires", cert.Leaf.NotAfter)
	}
	r.current, r.loaded, r.failed = &cert, files, ""
	return nil
}

func sameFiles(a, b [2]fs.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() {
			return false
		}
	}
	return true
}
