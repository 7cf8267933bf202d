// Whose turn it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>

namespace fathom::engine {

/// Counts the service that each user with work has had, so that the one with the least goes next:
/// round robin whose turns are measured in tokens. A user who comes (back) starts level with the
/// least served one present: idling earns no credit.
class FairShare {
 public:
  /// A request of the user has come; to be matched by leave().
  void enter(const std::string& user) {
    const double level = least();
    ++users_.try_emplace(user, User{level, 0}).first->second.requests;
  }

  void leave(const std::string& user) {
    const auto found = users_.find(user);
    if (--found->second.requests > 0) return;
    if (users_.size() == 1) left_ = found->second.served;
    users_.erase(found);
  }

  void charge(const std::string& user, double tokens) { users_.at(user).served += tokens; }

  double served(const std::string& user) const { return users_.at(user).served; }

  /// The service of the least served of those present, or of the last that was.
  double least() const {
    double least = users_.empty() ? left_ : std::numeric_limits<double>::infinity();
    for (const auto& [name, user] : users_) least = std::min(least, user.served);
    return least;
  }

 private:
  struct User {
    double served = 0;
    int64_t requests = 0;
  };

  std::map<std::string, User> users_;
  double left_ = 0;  // the service of the last to leave
};

}  // namespace fathom::engine
