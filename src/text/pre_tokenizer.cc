#include "text/pre_tokenizer.h"

#include <algorithm>

namespace fathom::text {
namespace {

struct Segment {
  size_t begin, end;
  bool match;
};

// Adjacent segments of `piece`; two matches may stand side by side.
std::vector<Segment> segments_of(const PreTokenizer::Stage& stage, std::string_view piece) {
  std::vector<Segment> segments;
  size_t done = 0;
  while (done < piece.size()) {
    const SplitRegex::Match match = stage.regex->find(piece, done);
    if (match.begin == SplitRegex::kNone) break;
    if (done < match.begin) segments.push_back({done, match.begin, stage.invert});
    segments.push_back({match.begin, match.end, !stage.invert});
    done = match.end;
  }
  if (done < piece.size()) segments.push_back({done, piece.size(), stage.invert});
  return segments;
}

}  // namespace

std::vector<std::string_view> PreTokenizer::parts(const Stage& stage, std::string_view piece) {
  std::vector<Segment> segments = segments_of(stage, piece);
  const bool backwards = stage.behavior == Behavior::kMergedWithNext;
  if (backwards) std::reverse(segments.begin(), segments.end());
  std::vector<Segment> joined;
  bool previous_match = false;
  for (const Segment& segment : segments) {
    bool join = false;
    switch (stage.behavior) {
      case Behavior::kIsolated:
      case Behavior::kRemoved:
        break;
      case Behavior::kContiguous:
        join = segment.match == previous_match;
        break;
      case Behavior::kMergedWithPrevious:
      case Behavior::kMergedWithNext:
        join = segment.match && !previous_match;
        break;
    }
    previous_match = segment.match;
    if (stage.behavior == Behavior::kRemoved && segment.match) continue;
    if (join && !joined.empty()) {
      (backwards ? joined.back().begin : joined.back().end) =
          backwards ? segment.begin : segment.end;
    } else {
      joined.push_back(segment);
    }
  }
  if (backwards) std::reverse(joined.begin(), joined.end());
  std::vector<std::string_view> parts;
  for (const Segment& segment : joined) {
    parts.push_back(piece.substr(segment.begin, segment.end - segment.begin));
  }
  return parts;
}

}  // namespace fathom::text
