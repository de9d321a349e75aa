// Writes the value of a key that lies in a flat directory to stdout, as Go diskv reads it:
// diskv-go DIR gzip|zlib|zlibdict KEY
package main

import (
	"compress/zlib"
	"log"
	"os"

	"github.com/peterbourgon/diskv/v3"
)

func main() {
	dir, codec, key := os.Args[1], os.Args[2], os.Args[3]
	value, err := diskv.New(diskv.Options{
		BasePath: dir,
		Compression: map[string]diskv.Compression{
			"gzip": diskv.NewGzipCompression(),
			"zlib": diskv.NewZlibCompression(),
			"zlibdict": diskv.NewZlibCompressionLevelDict(zlib.DefaultCompression,
				[]byte("all work and no play ")),
		}[codec],
	}).Read(key)
	if err == nil {
		_, err = os.Stdout.Write(value)
	}
	if err != nil {
		log.Fatal(err)
	}
}
