//! stub
pub struct EmbeddedServer;
impl EmbeddedServer {
    pub fn base_url(&self) -> String {
        unimplemented!()
    }
}
