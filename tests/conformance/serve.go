package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// The control port:
//
//	POST   /clusters        {"uid": …, "authority": URL}  ->  {"endpoint": …, "certificate": …}
//	DELETE /clusters/UID
//
// The authority is whoever knows the cluster's users and machines: the control plane asks it with a
// TokenReview at URL/token-review, and for its nodes at URL/nodes.
type control struct {
	folder string
	etcd   string
	lock   sync.Mutex
	planes map[string]*plane
}

func serve(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: control-plane serve FOLDER")
	}
	folder := args[0]
	store, err := startEtcd(filepath.Join(folder, "etcd"))
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer store.Close()
	c := &control{folder: folder, etcd: store.Clients[0].Addr().String(), planes: map[string]*plane{}}
	defer c.stopAll()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /clusters", c.create)
	mux.HandleFunc("DELETE /clusters/{uid}", c.delete)
	go http.Serve(listener, mux)
	fmt.Printf("http://%s\n", listener.Addr())
	// Whoever started this holds the other end.
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func (c *control) create(answer http.ResponseWriter, request *http.Request) {
	var wanted struct{ UID, Authority string }
	if err := json.NewDecoder(request.Body).Decode(&wanted); err != nil || wanted.UID == "" {
		http.Error(answer, "uid and authority are needed", http.StatusBadRequest)
		return
	}
	p, err := newPlane(filepath.Join(c.folder, wanted.UID), wanted.UID, c.etcd, wanted.Authority)
	if err == nil {
		c.lock.Lock()
		c.planes[wanted.UID] = p
		c.lock.Unlock()
		err = p.start()
	}
	if err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return
	}
	json.NewEncoder(answer).Encode(map[string]string{"endpoint": p.endpoint, "certificate": string(p.authority)})
}

func (c *control) delete(answer http.ResponseWriter, request *http.Request) {
	uid := request.PathValue("uid")
	c.lock.Lock()
	p := c.planes[uid]
	delete(c.planes, uid)
	c.lock.Unlock()
	if p != nil {
		p.stop()
	}
	answer.WriteHeader(http.StatusNoContent)
}

func (c *control) stopAll() {
	c.lock.Lock()
	defer c.lock.Unlock()
	for _, p := range c.planes {
		p.stop()
	}
}

func startEtcd(folder string) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = folder
	config.LogLevel = "fatal"
	// What a test loses with the machine, it did not need.
	config.UnsafeNoFsync = true
	free := func() (url.URL, error) {
		port, err := freePort()
		return url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}, err
	}
	client, err := free()
	if err != nil {
		return nil, err
	}
	peer, err := free()
	if err != nil {
		return nil, err
	}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	started, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-started.Server.ReadyNotify():
		return started, nil
	case <-time.After(time.Minute):
		started.Close()
		return nil, errors.New("not ready after a minute")
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
