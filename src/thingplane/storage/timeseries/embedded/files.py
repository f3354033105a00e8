"""The files of one history folder: opening, repairing, taking turns, retiring."""

from collections.abc import Callable
from pathlib import Path

from thingplane.storage.timeseries.embedded import layout
from thingplane.storage.timeseries.embedded.catalog import Catalog, SealedFile
from thingplane.storage.timeseries.embedded.companion import Companion
from thingplane.storage.timeseries.embedded.hot import HotFile, create_hot, open_hot, retire_hot
from thingplane.storage.timeseries.embedded.merging import plan_merge
from thingplane.storage.timeseries.embedded.options import Options
from thingplane.storage.timeseries.embedded.sealed import Readers
from thingplane.storage.timeseries.embedded.sealer import run_seal, wait_for_orphan
from thingplane.storage.timeseries.embedded.threads import in_thread
from thingplane.storage.timeseries.embedded.versions import Version, Versions
from thingplane.storage.timeseries.errors import TimeSeriesError


class HistoryFiles:
    """Hot files, sealed files and catalog.

    The coroutines change the set of files and must not run at the same time; see ``Maintenance``.
    """

    def __init__(self, directory: Path, options: Options, companion: Companion | None) -> None:
        """Open a history folder and repair what a crash left behind. Blocks: about a second for a full hot file.

        Raises:
            TimeSeriesError: The folder is damaged or of a newer format.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._options = options
        self._companion = companion
        wait_for_orphan(directory)
        self.catalog = Catalog(directory)
        self.readers = Readers(directory, options.open_files)
        sealed = self.catalog.files()
        hot = self._repair(sealed)
        self.versions = Versions(Version(hot, sealed))

    def _repair(self, sealed: list[SealedFile]) -> tuple[HotFile, ...]:
        through = self.catalog.sealed_through()
        generations = layout.hot_generations(self._directory)
        present = {path.name for path in self._directory.glob("*-*-*.sqlite3")}
        if missing := {file.name for file in sealed} - present:
            raise TimeSeriesError(f"History is damaged: {self._directory / min(missing)} is missing")
        for generation in generations:
            if generation <= through:
                self._retire(self._directory / layout.hot_name(generation), generation)
        for name in present - {file.name for file in sealed}:
            (self._directory / name).unlink()
        for path in self._directory.glob(f"*{layout.TEMPORARY}*"):
            path.unlink()
        generations = [generation for generation in generations if generation > through]
        if not generations:
            generations = [through + 1]
            create_hot(self._directory / layout.hot_name(generations[0]))
        return tuple(self._open_hot(generation) for generation in generations)

    def _retire(self, path: Path, generation: int) -> None:
        if self._companion is not None and path.exists() and path.stat().st_size:
            retire_hot(path, generation, open_hot(path), self._companion)
        else:
            layout.remove_database(path)

    def _open_hot(self, generation: int) -> HotFile:
        return HotFile(self._directory / layout.hot_name(generation), generation, self._companion)

    @property
    def hot(self) -> HotFile:
        """The file that takes what comes in."""
        return self.versions.current.hot[-1]

    async def rotate(self) -> None:
        """Let a fresh hot file take over."""
        generation = self.hot.generation + 1
        path = self._directory / layout.hot_name(generation)
        await in_thread(lambda: create_hot(path))
        fresh = self._open_hot(generation)
        current = self.versions.current
        self.versions.publish(Version((*current.hot, fresh), current.newest_first), [])

    async def seal_oldest(self) -> None:
        """Seal the oldest hot file, which must not be the one in use."""
        oldest = self.versions.current.hot[0]
        await run_seal(self._directory, "hot", str(oldest.generation))
        self._reload(sealed=oldest)

    async def merge(self) -> bool:
        """Merge once, if there is something to merge."""
        files = plan_merge(self.versions.current.newest_first, self.catalog.sealed_through(), self._options)
        if not files:
            return False
        level = max(file.level for file in files) + 1
        await run_seal(self._directory, "merge", str(level), *(file.name for file in files))
        self._reload()
        return True

    async def retire(self, before: int) -> None:
        """Drop the sealed files whose newest point is older than ``before``."""
        names = [file.name for file in self.versions.current.newest_first if file.max_time < before]
        if names:
            await self._change(lambda catalog: catalog.retire(names))
            self._reload()

    async def forget(self, device_id: int) -> None:
        """Drop the latest values of a device."""
        for hot in self.versions.current.hot:
            hot.forget(device_id)
        await self._change(lambda catalog: catalog.forget(device_id))

    async def _change(self, change: Callable[[Catalog], None]) -> None:
        # In a thread, with a connection of its own: a write may have to wait for the child's.
        def work() -> None:
            catalog = Catalog(self._directory)
            try:
                change(catalog)
            finally:
                catalog.close()

        await in_thread(work)

    def _reload(self, sealed: HotFile | None = None) -> None:
        current, files = self.versions.current, self.catalog.files()
        names = {file.name for file in files}
        obsolete = [self._deletion(file) for file in current.newest_first if file.name not in names]
        if sealed is not None:
            obsolete.append(sealed.retire)
        hot = tuple(file for file in current.hot if file is not sealed)
        self.versions.publish(Version(hot, files), obsolete)

    def _deletion(self, file: SealedFile) -> Callable[[], None]:
        def delete() -> None:
            self.readers.discard(file.name)
            (self._directory / file.name).unlink(missing_ok=True)

        return delete

    def close(self) -> None:
        """Close all files."""
        for hot in self.versions.current.hot:
            hot.close()
        self.readers.clear()
        self.catalog.close()
