package routing

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strconv"
	"strings"
)

// Redacted writes the values in effect, defaults included, one a line. What says
// where a secret is only tells whether it is set, because people put the secret
// itself there by mistake.
func (t *Table) Redacted() string {
	var b strings.Builder
	t.values(func(path string, value any) {
		switch v := value.(type) {
		case string:
			value = strconv.Quote(v)
		case []string:
			quoted := make([]string, len(v))
			for i, text := range v {
				quoted[i] = strconv.Quote(text)
			}
			value = "[" + strings.Join(quoted, ", ") + "]"
		}
		fmt.Fprintf(&b, "%s = %v\n", path, value)
	})
	return b.String()
}

// LogValue makes a table loggable: the desk's values in effect and how many of
// everything there are. People and their addresses are left out.
func (t *Table) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("version", t.Version)}
	t.values(func(path string, value any) {
		switch path, _, _ := strings.Cut(path, "["); path {
		case "topic", "agent", "team", "account", "smarthost", "desk.operators", "desk.notice":
			return
		}
		attrs = append(attrs, slog.Any(path, value))
	})
	attrs = append(attrs, slog.Int("accounts", len(t.Config.Accounts)), slog.Int("topics", len(t.Topics)),
		slog.Int("agents", len(t.Agents)), slog.Int("teams", len(t.Teams)))
	return slog.GroupValue(attrs...)
}

// values calls visit with every value that is not zero, in a form to be printed.
func (t *Table) values(visit func(path string, value any)) {
	// A copy, because eachField stores elements of maps again.
	config := *t.Config
	config.OAuth = map[string]OAuthConfig{}
	maps.Copy(config.OAuth, t.Config.OAuth)
	eachField(reflect.ValueOf(&config).Elem(), "", func(path string, tag reflect.StructTag, v reflect.Value) {
		switch {
		case strings.HasPrefix(tag.Get("kind"), "secret"):
			if v.String() != "" {
				visit(path, "(set)")
			}
		case v.Kind() == reflect.Bool || !v.IsZero() || tag.Get("default") != "":
			value := v.Interface()
			if s, ok := value.(fmt.Stringer); ok {
				value = s.String()
			}
			visit(path, value)
		}
	})
}
