//! Calls a Walnut node with tonic (gRPC), or with reqwest (Connect in JSON, over HTTP/1.1 or
//! HTTP/2). Arguments: host:port, a FileDescriptorSet of api/, and tonic, reqwest-h1 or
//! reqwest-h2. Messages are made from the descriptors, so that no code has to be generated.
//! Prints one line for each step; the test compares them.

use std::time::Duration;

use prost::bytes::{Buf, BytesMut};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ServiceDescriptor};
use serde_json::{json, Value};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::Status;

/// Encodes any message, and decodes those of one type.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        self.clone()
    }
    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;
    fn encode(&mut self, item: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let decoded = DynamicMessage::decode(self.0.clone(), from);
        decoded.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

enum Wire {
    Tonic(Channel, ServiceDescriptor),
    Reqwest(reqwest::Client, String),
}

/// The messages of a stream that has begun.
enum Stream {
    Tonic(tonic::Streaming<DynamicMessage>),
    Reqwest(reqwest::Response, BytesMut),
}

/// A gRPC or Connect code, in lower case without underscores.
type Refusal = String;

fn plain(code: &str) -> Refusal {
    code.replace('_', "").to_lowercase()
}

fn refusal(status: Status) -> Refusal {
    plain(&format!("{:?}", status.code()))
}

impl Wire {
    async fn open(kind: &str, address: &str, descriptors: &[u8]) -> Wire {
        let url = format!("http://{address}");
        if kind == "tonic" {
            let pool = DescriptorPool::decode(descriptors).unwrap();
            let service = pool.get_service_by_name("walnut.v1.KVStore").unwrap();
            return Wire::Tonic(Endpoint::from_shared(url).unwrap().connect().await.unwrap(), service);
        }
        let builder = reqwest::Client::builder().timeout(Duration::from_secs(20));
        let builder = match kind {
            "reqwest-h1" => builder.http1_only(),
            "reqwest-h2" => builder.http2_prior_knowledge(),
            _ => panic!("expected tonic, reqwest-h1 or reqwest-h2, found {kind}"),
        };
        Wire::Reqwest(builder.build().unwrap(), format!("{url}/walnut.v1.KVStore"))
    }

    async fn call(&self, name: &str, fields: Value) -> Result<Value, Refusal> {
        match self {
            Wire::Tonic(channel, service) => {
                let mut client = tonic::client::Grpc::new(channel.clone())
                    .max_decoding_message_size(16 << 20);
                client.ready().await.unwrap();
                let (request, path, codec) = asked(service, name, fields);
                let answer = client.unary(tonic::Request::new(request), path, codec).await;
                Ok(serde_json::to_value(answer.map_err(refusal)?.into_inner()).unwrap())
            }
            Wire::Reqwest(client, url) => {
                let request = client.post(format!("{url}/{name}")).json(&fields);
                let response = request.send().await.unwrap();
                let is_ok = response.status().is_success();
                let answer: Value = response.json().await.unwrap();
                if is_ok { Ok(answer) } else { Err(plain(answer["code"].as_str().unwrap())) }
            }
        }
    }

    async fn must(&self, name: &str, fields: Value) -> Value {
        self.call(name, fields).await.unwrap()
    }

    async fn stream(&self, name: &str, fields: Value) -> Stream {
        match self {
            Wire::Tonic(channel, service) => {
                let mut client = tonic::client::Grpc::new(channel.clone());
                client.ready().await.unwrap();
                let (request, path, codec) = asked(service, name, fields);
                let answer = client.server_streaming(tonic::Request::new(request), path, codec);
                Stream::Tonic(answer.await.unwrap().into_inner())
            }
            Wire::Reqwest(client, url) => {
                let message = fields.to_string();
                let mut body = vec![0];
                body.extend((message.len() as u32).to_be_bytes());
                body.extend(message.bytes());
                let request = client.post(format!("{url}/{name}"));
                let request = request.header("content-type", "application/connect+json").body(body);
                Stream::Reqwest(request.send().await.unwrap(), BytesMut::new())
            }
        }
    }
}

fn asked(service: &ServiceDescriptor, name: &str, fields: Value) -> (DynamicMessage, PathAndQuery, Dynamic) {
    let method = service.methods().find(|one| one.name() == name).unwrap();
    let path = format!("/{}/{name}", service.full_name()).parse().unwrap();
    let request = DynamicMessage::deserialize(method.input(), fields).unwrap();
    (request, path, Dynamic(method.output()))
}

const ENVELOPE_BYTES: usize = 5;

impl Stream {
    async fn next(&mut self) -> Value {
        match self {
            Stream::Tonic(stream) => serde_json::to_value(stream.message().await.unwrap().unwrap()).unwrap(),
            Stream::Reqwest(response, held) => loop {
                if held.len() >= ENVELOPE_BYTES {
                    let length = u32::from_be_bytes(held[1..ENVELOPE_BYTES].try_into().unwrap()) as usize;
                    if held.len() >= ENVELOPE_BYTES + length {
                        held.advance(ENVELOPE_BYTES);
                        return serde_json::from_slice(&held.split_to(length)).unwrap();
                    }
                }
                held.extend_from_slice(&response.chunk().await.unwrap().unwrap());
            },
        }
    }
}

/// The text of a value in base64, of those that this program stores.
fn letter(value: &Value) -> &str {
    match value.as_str().unwrap() {
        "dg==" => "v",
        "dw==" => "w",
        "c2Vlbg==" => "seen",
        other => other,
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let descriptors = std::fs::read(&arguments[2]).unwrap();
    let wire = Wire::open(&arguments[3], &arguments[1], &descriptors).await;

    let set = wire.must("Set", json!({"key": "interop", "value": "dg==", "ttlMs": "60000"})).await;
    println!("set {}", set["applied"]);
    let got = wire.must("Get", json!({"key": "interop"})).await;
    println!("get {} {} {}", got["found"], letter(&got["value"]), got["expireAtMs"].is_string());
    let sum = wire.must("Increment", json!({"key": "n", "delta": "41", "initial": "1"})).await;
    println!("increment {}", sum["value"].as_str().unwrap());
    let operations = json!([{"set": {"key": "b", "value": "dw=="}}, {"get": {"key": "b"}}]);
    let batch = wire.must("Batch", json!({"operations": operations})).await;
    let results = batch["results"].as_array().unwrap();
    println!("batch {} {}", results.len(), letter(&results[1]["get"]["value"]));
    println!("refused {}", wire.call("Get", json!({"key": ""})).await.unwrap_err());

    let mut watch = wire.stream("Watch", json!({"key": "watched", "progressEveryMs": 1000})).await;
    watch.next().await;
    wire.must("Set", json!({"key": "watched", "value": "c2Vlbg=="})).await;
    let event = loop {
        let message = watch.next().await;
        if let Some(event) = message["events"].get(0) {
            break event.clone();
        }
    };
    println!("watch {} {}", event["key"].as_str().unwrap(), letter(&event["value"]));
    drop(watch);

    let large = "AAAA".repeat(1_000_000);
    wire.must("Set", json!({"key": "large", "value": large.clone()})).await;
    println!("large {}", wire.must("Get", json!({"key": "large"})).await["value"] == Value::String(large));
    wire.must("Delete", json!({"key": "n"})).await;
}
