//! The server over a real socket.

use std::net::Ipv4Addr;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    faults::{Call, Rule},
    frontend::tests::frontend,
};

async fn server(frontend: Frontend) -> Server {
    Server::bind(frontend, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

fn s3(server: &Server) -> aws_sdk_s3::Client {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(server.url())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "tidemill", "tidemill", None, None, "",
        )))
        .build();
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
}

/// Now as the machine says it: signatures are made with its clock here.
#[tokio::test]
async fn the_sdk_writes_and_reads_over_the_socket() {
    let server = server(frontend()).await;
    let client = s3(&server);
    client.create_bucket().bucket("bucket").send().await.unwrap();
    let body = vec![7_u8; 300_000];
    client.put_object().bucket("bucket").key("k").body(body.clone().into()).send().await.unwrap();
    let got = client.get_object().bucket("bucket").key("k").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), body);
    server.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named_in_the_error() {
    let first = server(frontend()).await;
    let error = Server::bind(frontend(), first.address()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("{} is already in use", first.address())));
}

#[tokio::test]
async fn a_lost_answer_closes_the_connection_and_stop_ends_an_idle_one() {
    let frontend = frontend();
    frontend.faults().on(Rule::new("s3", "*", Call::LoseAnswer));
    let server = server(frontend).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let mut answer = Vec::new();
    stream.write_all(b"GET /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"");
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    idle.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    server.stop().await;
    idle.read_to_end(&mut answer).await.unwrap();
}
