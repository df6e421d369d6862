"""What the logic relies on in other packages."""

import gevent
import pytest
import sqlalchemy


def test_sqlalchemy_drops_a_connection_that_a_gevent_timeout_interrupts() -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.QueuePool)
    connected = []
    sqlalchemy.event.listen(engine, "connect", lambda connection, _record: connected.append(connection))

    def interrupt(*_: object) -> None:
        raise gevent.Timeout

    sqlalchemy.event.listen(engine, "do_execute", interrupt)
    for _ in range(2):
        with pytest.raises(gevent.Timeout), engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()

    assert len(connected) == 2
