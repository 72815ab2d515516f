// What HTTP/2 of Go's net/http answers on one processor: reads each request and answers
// fixed bytes. Arguments: their type and base64. Prints a line with its port, and ends with
// its standard input.
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
)

func main() {
	runtime.GOMAXPROCS(1)
	body, err := base64.StdEncoding.DecodeString(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	answer := func(response http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		response.Header().Set("content-type", os.Args[1])
		response.Header().Set("content-length", strconv.Itoa(len(body)))
		response.Write(body)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(server.Serve(listener))
}
