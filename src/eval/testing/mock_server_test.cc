#include "eval/testing/mock_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "base/check.h"

namespace fathom::eval {

MockServer::MockServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  FATHOM_CHECK(::bind(listener_, generic, size) == 0 && ::listen(listener_, 128) == 0);
  FATHOM_CHECK(::getsockname(listener_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_all(); });
}

MockServer::~MockServer() {
  ::shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  ::close(listener_);
  for (std::thread& thread : serving_) thread.join();
}

std::string MockServer::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

MockServer::Reply MockServer::says(const std::string& text) {
  const nlohmann::json body = {
      {"choices",
       {{{"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", "stop"}}}},
      {"usage", {{"prompt_tokens", 7}, {"completion_tokens", 3}}}};
  return {200, body.dump()};
}

void MockServer::accept_all() {
  for (int connection; (connection = ::accept(listener_, nullptr, nullptr)) >= 0;) {
    const std::lock_guard lock(mutex_);
    serving_.emplace_back([this, connection] { serve(connection); });
  }
}

void MockServer::serve(int connection) {
  std::string request;
  size_t head = std::string::npos, length = 0;
  char buffer[65536];
  while (head == std::string::npos || request.size() < head + 4 + length) {
    const ssize_t got = ::read(connection, buffer, sizeof buffer);
    if (got <= 0) break;
    request.append(buffer, static_cast<size_t>(got));
    head = request.find("\r\n\r\n");
    const size_t field = request.find("Content-Length: ");
    if (head != std::string::npos && field < head) {
      length = std::strtoull(request.c_str() + field + 16, nullptr, 10);
    }
  }
  if (head != std::string::npos) {
    const auto body = nlohmann::json::parse(request.substr(head + 4), nullptr, false);
    const Reply reply = handler_(body);
    const std::string answer = "HTTP/1.1 " + std::to_string(reply.status) +
                               " X\r\nContent-Length: " + std::to_string(reply.body.size()) +
                               "\r\nConnection: close\r\n\r\n" + reply.body;
    if (!reply.hang_up) {
      for (size_t sent = 0; sent < answer.size();) {
        const ssize_t n =
            ::send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<size_t>(n);
      }
    }
  }
  ::close(connection);
}

}  // namespace fathom::eval
