// Whose turn it is.
#pragma once

#include <algorithm>
#include <cstdint>
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
    const auto [place, is_new] = users_.try_emplace(user);
    if (is_new) place->second.served = floor_;
    ++place->second.requests;
  }

  void leave(const std::string& user) {
    const auto found = users_.find(user);
    if (--found->second.requests == 0) users_.erase(found);
    raise_floor();
  }

  void charge(const std::string& user, double tokens) {
    users_.at(user).served += tokens;
    raise_floor();
  }

  double served(const std::string& user) const { return users_.at(user).served; }

 private:
  struct User {
    double served = 0;
    int64_t requests = 0;
  };

  void raise_floor() {
    bool first = true;
    double least = floor_;
    for (const auto& [name, user] : users_) {
      if (first || user.served < least) least = user.served;
      first = false;
    }
    floor_ = std::max(floor_, least);
  }

  std::map<std::string, User> users_;
  double floor_ = 0;  // the least service among those present
};

}  // namespace fathom::engine
