// The chat page's files, as they were built into the program.
#pragma once

#include <span>
#include <string_view>

namespace fathom::api {

struct PageFile {
  std::string_view path;  ///< "/index.html"
  std::string_view content_type;
  std::string_view etag;  ///< with its quotation marks
  std::string_view body;
  std::string_view gzip;  ///< the same compressed; empty: not worth it
};

/// Empty in a build without the page.
std::span<const PageFile> page_files();
/// The Content-Security-Policy that the page is written for.
std::string_view page_policy();

/// The file of a request's path; "/" is "/index.html". Null for none. Only exact names exist, so no
/// path leads elsewhere.
const PageFile* find_page_file(std::string_view path);

}  // namespace fathom::api
