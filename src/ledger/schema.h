// The ledger's tables.
#pragma once

#include "ledger/database.h"

namespace fathom::ledger {

/// Makes the tables in an empty database, and checks the version of others. Safe when several
/// processes start at once. Throws Error(kUnsupported) for a newer version.
void prepare_schema(Database& db);

}  // namespace fathom::ledger
