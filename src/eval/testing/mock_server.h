// An OpenAI-compatible server for tests: what it answers is a function of the request.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

namespace fathom::eval {

class MockServer {
 public:
  struct Reply {
    int status = 200;
    std::string body;
    bool hang_up = false;  ///< closes without an answer
  };
  /// Called on a thread of its own for each request, several at a time; may sleep.
  using Handler = std::function<Reply(const nlohmann::json& request)>;

  explicit MockServer(Handler handler);
  /// Waits for requests under way.
  ~MockServer();

  std::string url() const;

  /// A 200 with `text` as the assistant's answer.
  static Reply says(const std::string& text);

 private:
  void accept_all();
  void serve(int connection);

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::thread accepting_;
  std::mutex mutex_;
  std::vector<std::thread> serving_;
};

}  // namespace fathom::eval
