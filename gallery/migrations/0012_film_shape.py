from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gallery", "0009_storyboard_version")]

    operations = [
        migrations.AddField(
            model_name="film",
            name="shape",
            field=models.FloatField(default=0, editable=False),
        ),
    ]
