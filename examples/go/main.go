// Writes on the master, reads from any node: go run . HOST:PORT [HOST:PORT ...]
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"walnut.example/walnutclient"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	walnut := walnutclient.New(os.Args[1:]...)
	must(walnut.Set(ctx, "greeting", []byte("hello"), time.Minute))
	value, _, err := walnut.Get(ctx, "greeting")
	must(err)
	fmt.Println("get:", string(value))
	_, err = walnut.Delete(ctx, "visits")
	must(err)
	sums := make([]string, 3)
	for i := range sums {
		visits, err := walnut.Increment(ctx, "visits", 1)
		must(err)
		sums[i] = strconv.FormatInt(visits, 10)
	}
	fmt.Println("increment:", strings.Join(sums, ", "))
	own := true
	for i := range 50 {
		must(walnut.Set(ctx, "n", []byte(strconv.Itoa(i)), 0))
		value, _, err := walnut.Get(ctx, "n")
		must(err)
		own = own && string(value) == strconv.Itoa(i)
	}
	fmt.Println("own writes:", own)
	_, found, err := walnut.Get(ctx, "no such key")
	must(err)
	fmt.Println("missing:", !found)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
