from typing import Any

from django.db import migrations, models
from django.utils import timezone


def copy_last_use(apps: Any, schema_editor: Any) -> None:
    """New scenes keep going to the board that was used last."""
    boards = apps.get_model("gallery", "Board").objects.using(schema_editor.connection.alias)
    boards.update(saved_at=models.F("used"))


class Migration(migrations.Migration):
    dependencies = [("gallery", "0013_film_exports")]

    operations = [
        migrations.AddField(
            model_name="board",
            name="saved_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.RunPython(copy_last_use, migrations.RunPython.noop, elidable=True),
        migrations.AlterModelOptions(
            name="export", options={"ordering": ["-requested_at", "-id"]}
        ),
        migrations.RenameField(model_name="export", old_name="created", new_name="requested_at"),
        migrations.AlterField(
            model_name="export",
            name="requested_at",
            field=models.DateTimeField(default=timezone.now),
        ),
    ]
