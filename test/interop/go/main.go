// Calls a Walnut node with the Go client of Connect. Arguments: host:port, a FileDescriptorSet
// of api/, and the protocol: connect, connect-json, grpc or grpcweb. Messages are made from
// the descriptors, so that no code has to be generated. Prints one line for each step.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

type message = dynamicpb.Message

type store struct {
	service protoreflect.ServiceDescriptor
	url     string
	client  *http.Client
	options []connect.ClientOption
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func open(address, descriptors, protocol string) store {
	raw, err := os.ReadFile(descriptors)
	must(err)
	var set descriptorpb.FileDescriptorSet
	must(proto.Unmarshal(raw, &set))
	files, err := protodesc.NewFiles(&set)
	must(err)
	found, err := files.FindDescriptorByName("walnut.v1.KVStore")
	must(err)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	options := map[string][]connect.ClientOption{
		"connect": nil, "connect-json": {connect.WithProtoJSON()},
		"grpc": {connect.WithGRPC()}, "grpcweb": {connect.WithGRPCWeb()},
	}[protocol]
	transport.Protocols.SetHTTP1(protocol == "connect-json" || protocol == "grpcweb")
	transport.Protocols.SetUnencryptedHTTP2(protocol == "connect" || protocol == "grpc")
	return store{found.(protoreflect.ServiceDescriptor), "http://" + address, &http.Client{Transport: transport}, options}
}

func (s store) rpc(name, request string) (*connect.Client[message, message], *connect.Request[message]) {
	method := s.service.Methods().ByName(protoreflect.Name(name))
	input := dynamicpb.NewMessage(method.Input())
	must(protojson.Unmarshal([]byte(request), input))
	options := append([]connect.ClientOption{
		connect.WithSchema(method),
		connect.WithResponseInitializer(func(_ connect.Spec, m any) error {
			*m.(*message) = *dynamicpb.NewMessage(method.Output())
			return nil
		}),
	}, s.options...)
	path := fmt.Sprintf("%s/%s/%s", s.url, s.service.FullName(), name)
	return connect.NewClient[message, message](s.client, path, options...), connect.NewRequest(input)
}

func (s store) call(ctx context.Context, name, request string) (*message, error) {
	client, input := s.rpc(name, request)
	answer, err := client.CallUnary(ctx, input)
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}

func (s store) must(ctx context.Context, name, request string) *message {
	answer, err := s.call(ctx, name, request)
	must(err)
	return answer
}

func field(m protoreflect.Message, name string) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s := open(os.Args[1], os.Args[2], os.Args[3])
	fmt.Println("set", field(s.must(ctx, "Set", `{"key":"interop","value":"dg==","ttlMs":"60000"}`), "applied"))
	got := s.must(ctx, "Get", `{"key":"interop"}`)
	fmt.Println("get", field(got, "found"), string(field(got, "value").Bytes()), field(got, "expire_at_ms").Uint() > 0)
	fmt.Println("increment", field(s.must(ctx, "Increment", `{"key":"n","delta":"41","initial":"1"}`), "value"))
	results := field(s.must(ctx, "Batch", `{"operations":[{"set":{"key":"b","value":"dw=="}},{"get":{"key":"b"}}]}`), "results").List()
	read := field(results.Get(1).Message(), "get").Message()
	fmt.Println("batch", results.Len(), string(field(read, "value").Bytes()))
	_, err := s.call(ctx, "Get", `{}`)
	fmt.Println("refused", connect.CodeOf(err))

	client, request := s.rpc("Watch", `{"key":"watched","progressEveryMs":1000}`)
	watch, err := client.CallServerStream(ctx, request)
	must(err)
	if !watch.Receive() {
		log.Fatal(watch.Err())
	}
	s.must(ctx, "Set", `{"key":"watched","value":"c2Vlbg=="}`)
	for watch.Receive() {
		if events := field(watch.Msg(), "events").List(); events.Len() > 0 {
			event := events.Get(0).Message()
			fmt.Println("watch", field(event, "key"), string(field(event, "value").Bytes()))
			break
		}
	}
	must(watch.Close())

	large := make([]byte, 3_000_000)
	setter, input := s.rpc("Set", `{"key":"large"}`)
	input.Msg.Set(input.Msg.Descriptor().Fields().ByName("value"), protoreflect.ValueOfBytes(large))
	_, err = setter.CallUnary(ctx, input)
	must(err)
	fmt.Println("large", bytes.Equal(field(s.must(ctx, "Get", `{"key":"large"}`), "value").Bytes(), large))
	s.must(ctx, "Delete", `{"key":"n"}`)
}
