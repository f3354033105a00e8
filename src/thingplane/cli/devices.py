"""``thingplane device``: what devices tell of themselves, and their certificates."""

from cyclopts import App

from thingplane.cli import device_certificates, device_logs

app = App(name="device", help="Look at single devices, and manage their certificates.")
app.command(device_logs.logs, name="logs")
app.command(device_logs.log_upload, name="log-upload")
app.command(device_logs.sdk, name="sdk")
app.command(device_certificates.certificate, name="certificate")
app.command(device_certificates.show, name="certificates")
app.command(device_certificates.bind, name="bind")
app.command(device_certificates.revoke, name="revoke")
app.command(device_certificates.authorities)
