package e2e

import (
	"path/filepath"
	"testing"

	"buzon/e2e/world"
)

func TestRelayByLMTP(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{})
	socket := filepath.Join(w.Postfix.SocketFolder(t), "lmtp")
	d := w.NewDesk(world.Settings{LMTP: socket})
	d.Start()
	w.Postfix.SetRelay(t, map[string]string{world.RelayDomain: "lmtp:unix:" + socket})
	confirmation, notification := open(t, w, "first@client.test")
	if got, want := confirmation.Subject(), "[#000001] Contraseña del aula"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	reply := world.Reply(notification, world.Ana, "Listo por LMTP.")
	w.Send(world.Ana, reply.To, reply.Raw())
	w.AwaitText(world.Maria, "Listo por LMTP.")
	d.Settle()
	count(t, w, world.Maria, 2)
	leaks(t, w, world.Maria)
}
