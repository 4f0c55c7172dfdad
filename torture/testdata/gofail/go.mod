module go.etcd.io/gofail

go 1.26.0
