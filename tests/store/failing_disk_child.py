"""Write beyond a limit of the kernel (an input/output error for SQLite), then after it is lifted."""

import resource
import sys
from pathlib import Path

from desktop_slm.errors import StorageFailed
from desktop_slm.store.database import Database

path = Path(sys.argv[1])
database = Database.open(path, bytes(32), create=True)
database.rows("INSERT INTO draft VALUES ('before', 'x')")
log = path.with_name(path.name + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 8192, resource.RLIM_INFINITY))
try:
    with database.transaction():
        database.rows("INSERT INTO draft VALUES ('during', ?)", ("x" * 10_000_000,))
except StorageFailed:
    print("StorageFailed")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
database.rows("INSERT INTO draft VALUES ('after', 'x')")
print("written")
print("sound" if not database.problems() else "damaged")
print(database.value("SELECT count(*) FROM draft"))
database.close()
