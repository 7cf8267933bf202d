// Who may ask, what it costs, and what it cost: API keys, balances, holds and usage. The schema and
// the rules for holds are written down in docs/formats/ledger.md.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/database.h"
#include "ledger/money.h"
#include "ledger/prices.h"

namespace fathom::ledger {

struct Account {
  int64_t id = 0;
  std::string name;
  Currency currency = Currency::kCny;
  Nano granted = 0;    ///< given; spent first
  Nano topped_up = 0;  ///< paid
  Nano held = 0;       ///< set aside for running requests; part of the two above

  Nano total() const { return granted + topped_up; }
  Nano available() const { return granted + topped_up - held; }
  bool operator==(const Account&) const = default;
};

struct ApiKey {
  int64_t id = 0;
  int64_t account_id = 0;
  std::string account;
  std::string name;
  std::string hint;  ///< "sk-...1f3a"
  Time created{};
  std::optional<Time> revoked;
};

struct NewApiKey {
  ApiKey record;
  std::string secret;  ///< shown to the user now and never again
};

/// What a request sets aside before it runs.
struct HoldRequest {
  std::string request_id;  ///< unique; the same id twice is the same hold
  int64_t account_id = 0;
  int64_t key_id = 0;
  std::string model;
  Tokens worst;  ///< the prompt as misses, and the output tokens to cover at first
  bool all_or_nothing =
      false;  ///< refuse rather than cover less output (a backend that cannot stop)
};

/// Money set aside for a request: it covers this much and the request may use no more.
struct Hold {
  std::string request_id;
  Prices prices;
  int64_t covered_output = 0;
};

/// What a request came to. `charged` may be less than the price of `tokens` only when a backend
/// used more than its hold and the balance did not reach.
struct Charge {
  Tokens tokens;
  Nano charged = 0;
  Nano from_granted = 0;
  std::string outcome;
};

class Books;
/// What a request does to its hold, through the books of a transaction (ledger/books.h).
using Change = std::function<void(Books&)>;

struct UsageFilter {
  std::optional<int64_t> account_id;
  std::string first_day;  ///< inclusive, "2025-02-08"; empty: from the start
  std::string last_day;   ///< inclusive; empty: to the end
};

/// One line of the usage report: a key's requests of one UTC day to one model.
struct UsageLine {
  std::string day;
  std::string account;
  std::string key;  ///< the key's name
  std::string hint;
  std::string model;
  Currency currency = Currency::kCny;
  int64_t requests = 0;
  Tokens tokens;
  Nano charged = 0;
};

/// Thread-safe; calls block on the database. Several processes may use one database.
/// Throws Error: kNotFound for an unknown account or key, kConflict for a taken name, kIo when the
/// database refuses. Lost connections and conflicts are retried inside; all operations that move
/// money are idempotent by their id.
class Ledger {
 public:
  using Clock = std::function<Time()>;
  struct Options {
    std::string address;  ///< see open_database()
    Durability durability = Durability::kProcess;
    Clock clock;                     ///< none: the system's
    std::chrono::seconds lease{30};  ///< a server elsewhere unheard of for this long is dead
  };

  explicit Ledger(Options options);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  Time now() const;

  // Accounts.
  Account create_account(const std::string& name, Currency currency);
  Account account(const std::string& name);
  Account account(int64_t id);
  std::vector<Account> accounts();
  /// Adds money. The same `reference` twice adds once. Returns the account after it.
  Account top_up(const std::string& name, Nano amount, const std::string& reference);
  Account grant(const std::string& name, Nano amount, const std::string& reference);

  // Keys.
  NewApiKey create_key(const std::string& account, const std::string& name);
  std::vector<ApiKey> keys();
  /// `which` is the key's number, its name or its secret. Revoking twice is no error.
  ApiKey revoke_key(const std::string& which);
  /// The valid key with this secret. Takes the same steps for every string.
  std::optional<ApiKey> authenticate(std::string_view secret);
  /// Whether there ever was a key, revoked ones too: from then on a server asks for one.
  bool has_keys();

  // Holds, on behalf of the server that this object registers as on first use.
  /// Nothing when the balance does not cover the prompt and one token of output.
  std::optional<Hold> open_hold(const HoldRequest& request);
  /// Notes what was used so far and tries to cover `more_output` tokens beyond `used.output`.
  /// Returns the output tokens covered now in all, at least what they were; of a request that
  /// others settled, because they took its server for dead, those that were charged. Unknown id:
  /// kNotFound.
  int64_t extend_hold(const std::string& request_id, const Tokens& used, int64_t more_output);
  /// Charges what was used and releases the rest. A second call returns the first one's charge.
  Charge settle(const std::string& request_id, const Tokens& used, const std::string& outcome);
  /// Keeps a settlement that the database did not take. heartbeat() makes up for it.
  void settle_later(const std::string& request_id, const Tokens& used, const std::string& outcome);
  /// What requests do to holds, all in one transaction. Returns what each threw: one that threw
  /// changed nothing, and kept none of the others from happening. A change may be run several
  /// times, of which one counts.
  std::vector<std::exception_ptr> apply(std::span<const Change* const> changes);
  /// How many changes to give to one apply(), and how many of those calls to make at a time.
  size_t useful_changes() const;
  int useful_writers() const;
  /// Says that this server lives, and settles what was left for later. Call it every few seconds
  /// while holds are open, and once after the last of them.
  void heartbeat();
  /// Settles the holds of dead servers for what they had noted. Returns how many.
  int64_t recover();

  // Reports.
  std::vector<UsageLine> usage(const UsageFilter& filter);
  std::optional<Charge> charge_of(const std::string& request_id);

 private:
  class Pool;
  template <typename Operation>
  auto run(Operation operation);
  template <typename Operation>
  auto read(Operation operation);
  template <typename Operation>
  auto run_on(Pool& pool, Operation operation);
  void register_server();
  void settle_kept();
  template <typename Operation>
  void change(Operation operation);
  void change_alone(const Change& given);
  Account add_credit(const std::string& name, Nano amount, const std::string& reference,
                     bool granted);

  struct Settlement {
    std::string request_id;
    Tokens used;
    std::string outcome;
  };

  Options options_;
  std::string server_id_;
  std::mutex kept_mutex_;
  std::vector<Settlement> kept_;  // for later
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Pool> readers_;  // none: they use the other
};

/// CSV with a header, amounts exact.
std::string usage_csv(const std::vector<UsageLine>& lines);
/// A JSON array with the same fields.
std::string usage_json(const std::vector<UsageLine>& lines);

}  // namespace fathom::ledger
