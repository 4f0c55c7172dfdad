package routing

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxSecret is the longest secret file that is read, in octets; the longest in
// use are the JSON files of service accounts.
const maxSecret = 64 << 10

// Secret reads a secret from a file, or from an environment variable if file is
// empty. One line end after it is cut off. It returns an error if there is
// nothing, and if anyone but the owner may read the file. Errors never hold the
// secret.
func Secret(file, env string) (string, error) {
	if file == "" {
		if env == "" {
			return "", errors.New("reading a secret: neither a file nor an environment variable is named")
		}
		if value := os.Getenv(env); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("reading a secret: environment variable %s is not set", env)
	}
	text, err := readSecret(file)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	return text, nil
}

func readSecret(file string) (string, error) {
	// Looked at first, because opening a pipe would wait for its other end.
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return "", err
	}
	if info.Mode()&0o077 != 0 {
		return "", fmt.Errorf("others may read %s; type: chmod 600 %s", file, file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s is longer than %d octets", file, maxSecret)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return "", fmt.Errorf("%s is empty", file)
	}
	return string(text), nil
}

// CheckFiles looks at the files that the configuration names: secrets that can be
// read by nobody else, certificates in force, authorities, the folder of
// templates. Some of the problems are only warnings.
func (t *Table) CheckFiles() Problems { return t.checkFiles(time.Now()) }

func (t *Table) checkFiles(now time.Time) Problems {
	f := fileChecker{source: &source{name: t.source.name, text: t.source.text, spots: t.source.spots}, now: now}
	c := t.Config
	if c.SMTP.TLS != "off" {
		f.certificate(c.SMTP.Certificate, c.SMTP.Key)
	}
	if c.Desk.Templates != "" {
		if info, err := os.Stat(c.Desk.Templates); err != nil {
			f.failed("desk.templates", err)
		} else if !info.IsDir() {
			f.failed("desk.templates", fmt.Errorf("%s is not a folder", c.Desk.Templates))
		}
	}
	f.login("outgoing", c.Outgoing.Login)
	for i, r := range c.Smarthosts {
		f.login(elementPath("smarthost", i), r.Login)
	}
	for i, a := range c.Accounts {
		f.login(elementPath("account", i), a.Login)
	}
	for name, o := range c.OAuth {
		path := childPath("oauth", name)
		f.secret(path+".client_secret", o.ClientSecretFile, o.ClientSecretEnv)
		f.secret(path+".refresh_token", o.RefreshTokenFile, o.RefreshTokenEnv)
		if o.ServiceAccount != "" {
			key := path + ".service_account"
			if text, err := Secret(o.ServiceAccount, ""); err != nil {
				f.failed(key, err)
			} else if !json.Valid([]byte(text)) {
				f.failed(key, fmt.Errorf("%s is not JSON", o.ServiceAccount))
			}
		}
	}
	found := append(f.problems, f.warnings...)
	found.sort()
	return found
}

// fileChecker reports at the places where the files are named. Its source is a
// copy, so that the table stays as it is.
type fileChecker struct {
	*source
	now time.Time
}

func (f fileChecker) failed(path string, err error) {
	f.problems = append(f.problems, f.problem(path, f.valueOffset(path), "", err.Error()))
}

func (f fileChecker) login(path string, l Login) {
	f.secret(path+".password", l.PasswordFile, l.PasswordEnv)
	if l.CA == "" {
		return
	}
	if text, err := os.ReadFile(l.CA); err != nil {
		f.failed(path+".ca", err)
	} else if !x509.NewCertPool().AppendCertsFromPEM(text) {
		f.failed(path+".ca", fmt.Errorf("%s holds no certificate in PEM form", l.CA))
	}
}

func (f fileChecker) secret(path, file, env string) {
	if file == "" && env == "" {
		return
	}
	if _, err := Secret(file, env); err == nil {
		return
	} else if file != "" {
		f.failed(path+"_file", err)
	} else {
		f.warnf(path+"_env", "set it where the desk runs", "%s is not set here", env)
	}
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * day

func (f fileChecker) certificate(certificate, key string) {
	const path = "smtp.certificate"
	if info, err := os.Stat(key); err == nil && info.Mode()&0o007 != 0 {
		f.warnf("smtp.key", "type: chmod o= "+key, "anyone on this machine may read %s", key)
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		f.failed(path, err)
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		f.failed(path, err)
		return
	}
	date := leaf.NotAfter.Format(time.DateOnly)
	switch {
	case f.now.After(leaf.NotAfter):
		f.failed(path, fmt.Errorf("%s expired on %s", certificate, date))
	case f.now.Before(leaf.NotBefore):
		f.failed(path, fmt.Errorf("%s is not valid before %s", certificate, leaf.NotBefore.Format(time.DateOnly)))
	case f.now.After(leaf.NotAfter.Add(-soon)):
		f.warnf(path, "renew it", "%s expires on %s", certificate, date)
	}
}
