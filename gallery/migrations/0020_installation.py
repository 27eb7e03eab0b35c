from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gallery', '0018_library_folders'),
    ]

    operations = [
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('store_id', models.CharField(editable=False, max_length=32)),
                ('version', models.CharField(editable=False, max_length=20)),
                ('model', models.CharField(editable=False, max_length=12)),
                ('model_name', models.CharField(editable=False, max_length=200)),
                ('precision', models.CharField(blank=True, editable=False, max_length=4)),
            ],
            options={
                'verbose_name': 'workers',
                'verbose_name_plural': 'workers',
            },
        ),
    ]
