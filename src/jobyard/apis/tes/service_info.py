"""GA4GH service-info (contract 1.8)."""

from jobyard.apis.tes import wire
from jobyard.apis.tes.mapping import given
from jobyard.apis.tes.options import ServiceInfoValues
from jobyard.apis.tes.parameters import KNOWN


def service_info(values: ServiceInfoValues) -> wire.ServiceInfo:
    return wire.ServiceInfo(
        id=values.id,
        name=values.name,
        type=wire.ServiceType(group="org.ga4gh", artifact="tes", version=wire.VERSION),
        description=given(values.description),
        organization=wire.Organization(name=values.organization_name, url=values.organization_url),
        contact_url=given(values.contact_url),
        documentation_url=given(values.documentation_url),
        created_at=given(values.created_at),
        updated_at=given(values.updated_at),
        environment=given(values.environment),
        version=values.version,
        storage=list(values.storage),
        backend_parameters=list(KNOWN),
    )
