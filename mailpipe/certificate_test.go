package mailpipe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testCertificate is a certificate in files, signed by an authority of its own.
type testCertificate struct {
	cert, key string // paths
	pool      *x509.CertPool
	authority *x509.Certificate
	signer    *ecdsa.PrivateKey
	serial    int64
	logs      listenerLog
}

func newTestCertificate(t *testing.T) *testCertificate {
	t.Helper()
	dir := t.TempDir()
	f := &testCertificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	var err error
	if f.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &f.signer.PublicKey, f.signer)
	if err != nil {
		t.Fatal(err)
	}
	if f.authority, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	f.pool.AddCert(f.authority)
	return f
}

// make returns a new certificate and its key, in PEM.
func (f *testCertificate) make(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(f.serial + 1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, f.authority, &private.PublicKey, f.signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// replace puts a file in place as renewal programs do: written apart, renamed.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func (f *testCertificate) write(t *testing.T, name string) {
	t.Helper()
	cert, key := f.make(t, name)
	replace(t, f.cert, cert)
	replace(t, f.key, key)
}

func (f *testCertificate) reloader(t *testing.T) *CertificateReloader {
	t.Helper()
	r, err := NewCertificateReloader(f.cert, f.key, slog.New(slog.NewTextHandler(&f.logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCertificateReload(t *testing.T) {
	files := newTestCertificate(t)
	files.write(t, "old.uni.test")
	r := files.reloader(t)
	l := startListener(t, func(cfg *ListenerConfig) { cfg.TLS, cfg.Certificates = ListenerTLSImplicit, r })
	served := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", l.Addrs()[0].String(), &tls.Config{RootCAs: files.pool, ServerName: r.Leaf().DNSNames[0], InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		c := newTestClient(t, conn).greet()
		defer c.conn.Close()
		return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	if got := served(); got != "old.uni.test" {
		t.Errorf("serves %s", got)
	}
	cert, key := files.make(t, "new.uni.test")
	replace(t, files.cert, cert) // the key is still the old one's
	for range 2 {
		if got := served(); got != "old.uni.test" {
			t.Errorf("half-way in a renewal: serves %s", got)
		}
	}
	if n := strings.Count(files.logs.String(), "keeping the old"); n != 1 {
		t.Errorf("said %d times", n)
	}
	replace(t, files.key, key)
	if got := served(); got != "new.uni.test" || r.Leaf().DNSNames[0] != got {
		t.Errorf("after a renewal: serves %s", got)
	}
	os.Remove(files.cert)
	if got := served(); got != "new.uni.test" {
		t.Errorf("without a file: serves %s", got)
	}

	conn, err := tls.Dial("tcp", l.Addrs()[0].String(), &tls.Config{RootCAs: files.pool, ServerName: "new.uni.test"})
	if err != nil {
		t.Fatal(err)
	}
	c := newTestClient(t, conn)
	c.expect("220 ")
	if got := c.do("EHLO client.test", "250"); strings.Contains(got, "STARTTLS") {
		t.Errorf("offered under TLS: %q", got)
	}
	c.data().send(message + ".\r\n")
	c.expect("250 2.0.0 taken")

	if _, err := tls.Dial("tcp", l.Addrs()[0].String(), &tls.Config{RootCAs: files.pool, ServerName: "new.uni.test", MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	plain := l.dial(t)
	plain.send("EHLO client.test\r\n")
	if got := plain.expectEnd(); strings.Contains(got, "250") {
		t.Errorf("plain text was answered: %q", got)
	}
}

func TestCertificateErrors(t *testing.T) {
	files := newTestCertificate(t)
	if _, err := NewCertificateReloader(files.cert, files.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), files.cert) {
		t.Errorf("no file: %v", err)
	}
	files.write(t, "a.test")
	_, key := files.make(t, "b.test")
	replace(t, files.key, key)
	if _, err := NewCertificateReloader(files.cert, files.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("key of another certificate: %v", err)
	}
}
