// godiskv serves one directory of the Go package diskv over net/http, as small as it can be, so that
// what is measured is the package: godiskv -listen HOST:PORT [-sync] DIR
package main

import (
	"flag"
	"log"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/peterbourgon/diskv/v3"
)

const cacheBytes = 64 << 20 // as much as diskv serve takes

func toPath(key string) *diskv.PathKey {
	parts := strings.Split(key, "/")
	last := len(parts) - 1
	return &diskv.PathKey{Path: parts[:last], FileName: parts[last]}
}

func toKey(p *diskv.PathKey) string {
	return path.Join(append(p.Path, p.FileName)...)
}

type server struct {
	store *diskv.Diskv
	sync  bool
}

func (s server) get(w http.ResponseWriter, key string) {
	value, err := s.store.Read(key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(value)))
	w.Write(value)
}

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method != http.MethodPut {
		s.get(w, key)
		return
	}
	if err := s.store.WriteStream(key, r.Body, s.sync); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "")
	sync := flag.Bool("sync", false, "sync each file before it is acknowledged")
	temp := flag.String("temp", "", "where files are written before they are renamed")
	flag.Parse()
	store := diskv.New(diskv.Options{
		BasePath:          flag.Arg(0),
		TempDir:           *temp,
		CacheSizeMax:      cacheBytes,
		AdvancedTransform: toPath,
		InverseTransform:  toKey,
	})
	log.Fatal(http.ListenAndServe(*listen, server{store, *sync}))
}
