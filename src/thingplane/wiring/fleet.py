"""Products, devices, groups, topology and topics; the logs and the files of devices."""

from collections.abc import Callable

from thingplane.device_logs.service import DeviceLogs
from thingplane.devices.service import DeviceService
from thingplane.files.block_uploads import BlockUploads
from thingplane.files.downloads import Downloads
from thingplane.files.service import FileLimits, FileService
from thingplane.groups.service import GroupLimits, GroupService
from thingplane.ota.service import OtaVersionService
from thingplane.products.service import ProductService
from thingplane.search.service import DeviceSearch
from thingplane.storage.blobs import BlobStore, LocalBlobStore
from thingplane.storage.blobs.address import read_address
from thingplane.storage.blobs.objects import open_object_store
from thingplane.topics.routes import TopicRouteService
from thingplane.topics.service import TopicService
from thingplane.topology.registration import SubDeviceRegistration
from thingplane.topology.service import TopologyService
from thingplane.wiring.ground import Ground


class Fleet:
    """What there is, whether or not it is connected."""

    def __init__(self, ground: Ground, base_url: Callable[[], str]) -> None:
        """Make the services.

        Args:
            ground: of all parts.
            base_url: returns where files are downloaded from.
        """
        self._products_and_devices(ground)
        self._relations(ground)
        self._logs_and_files(ground, base_url)

    def _products_and_devices(self, ground: Ground) -> None:
        settings, clock, database, bus = ground.settings, ground.clock, ground.database, ground.bus
        products = self.products = ProductService(
            database,
            clock,
            bus,
            max_products=settings.products_per_instance,
            max_tags=settings.tags_per_product,
        )
        ground.run(products.start, products.close)
        self.topics = TopicService(database, bus, products, max_categories=settings.topic_categories_per_product)
        self.devices = DeviceService(
            database,
            clock,
            bus,
            products,
            region=settings.region,
            cached_devices=settings.device_cache,
            max_batch=settings.devices_per_batch,
            max_tags=settings.tags_per_device,
            max_client_ids=settings.client_ids_per_device,
            max_authorities=settings.device_authorities,
        )
        ground.run(self.devices.start, self.devices.close)
        ground.services.add(products, self.topics, self.devices)

    def _relations(self, ground: Ground) -> None:
        settings, clock, database, bus = ground.settings, ground.clock, ground.database, ground.bus
        products, devices = self.products, self.devices
        self.topology = TopologyService(database, clock, bus, devices, max_sub_devices=settings.sub_devices_per_gateway)
        registration = SubDeviceRegistration(
            devices, products, self.topology, max_registered=settings.sub_devices_per_registration
        )
        self.routes = TopicRouteService(
            database, bus, products, devices, self.topics, max_destinations=settings.routes_per_topic
        )
        ground.run(self.routes.start, self.routes.close)
        limits = GroupLimits(
            groups=settings.groups_per_instance,
            subgroups=settings.subgroups_per_group,
            groups_per_device=settings.groups_per_device,
            devices=settings.devices_per_group,
            tags=settings.tags_per_group,
        )
        groups = GroupService(database, clock, devices, limits)
        search = DeviceSearch(database, products, devices)
        ground.services.add(self.topology, registration, self.routes, groups, search)

    def _logs_and_files(self, ground: Ground, base_url: Callable[[], str]) -> None:
        settings, clock, database = ground.settings, ground.clock, ground.database
        self.logs = DeviceLogs(database, clock, per_device=settings.device_log_entries, days=settings.device_log_days)
        ground.run(self.logs.start, self.logs.close)
        self.blobs = self._open_blobs(ground)
        limits = FileLimits(files=settings.files_per_device, instance_bytes=settings.file_bytes_per_instance)
        files = FileService(database, clock, ground.bus, self.devices, self.blobs, limits=limits)
        self.downloads = Downloads(database, clock, self.blobs, base_url)
        ground.at_start(self.downloads.start)
        ground.run(files.start, files.close)
        ground.services.add(self.logs, files, self.downloads, BlockUploads(database, files))
        ground.services.add(OtaVersionService(database, clock, ground.bus))

    @staticmethod
    def _open_blobs(ground: Ground) -> BlobStore:
        """Return where contents of files are kept."""
        settings = ground.settings
        if not settings.object_store_url:
            return LocalBlobStore(settings.data_dir / "blobs")
        store = open_object_store(
            read_address(settings.object_store_url),
            settings.object_store_access_key_id,
            settings.object_store_access_key_secret,
            settings.data_dir / "uploads",
        )
        ground.at_start(store.start)
        return store
